package pbx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tollwarden/tollwarden/ami/pbx/conffile"
)

// Earlier versions added everything to the override itself. One section there that Asterisk
// does not know any more, such as that of a deleted extension, keeps it from reading the
// rest of the file.

// Isolate moves what earlier versions added to shared files to files of their own, and
// repairs the lines that include those: a file that is missing must not keep Asterisk from
// loading its configuration. moved is how many additions were moved, after which Asterisk
// has read its files again.
func (s *standing) Isolate(ctx context.Context) (moved int, err error) {
	done, err := s.editor.alone(ctx)
	if err != nil {
		return 0, fmt.Errorf("look at what was added to Asterisk's files: %w", err)
	}
	defer done()
	var errs []error
	for _, root := range []struct{ file, module string }{{"pjsip.conf", pjsipModule}, {"sip.conf", chanSIPModule}} {
		t, err := s.editor.folder.readTree(root.file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		n := 0
		for _, f := range t.files {
			if !slices.Contains(slices.Collect(maps.Values(overrides)), filepath.Base(f.path)) {
				continue
			}
			found, err := s.editor.moveAdditions(t, f)
			n, errs = n+found, append(errs, err, s.editor.repairIncludes(f))
		}
		if n > 0 {
			errs = append(errs, s.editor.reload(ctx, root.module))
		}
		moved += n
	}
	return moved, join(errs...)
}

// addition is what an earlier version added to a shared file.
type addition struct {
	section, kind string
	text          []byte
}

// moveAdditions gives each addition in a file a file of its own, which comes first: after a
// crash in between both say the same.
func (ed *editor) moveAdditions(t *tree, custom *confFile) (n int, err error) {
	list, rest := additions(custom.text)
	if len(list) == 0 {
		return 0, nil
	}
	if err := t.keepCopy(custom, time.Now()); err != nil {
		return 0, err
	}
	for _, a := range list {
		own := ed.folder.ownFile(a.section, a.kind)
		if err := own.read(custom); err != nil {
			return 0, err
		}
		if !bytes.Contains(own.text, a.text) {
			if err := replace(own.path, slices.Concat(own.text, a.text)); err != nil {
				return 0, err
			}
		}
		rest = own.included(rest)
	}
	if err := replace(custom.path, rest); err != nil {
		return 0, err
	}
	custom.text, custom.lines = rest, conffile.Parse(rest)
	return len(list), nil
}

// additions finds what overrideText and newPassword.text added to a file; rest is the file
// without.
func additions(text []byte) (list []addition, rest []byte) {
	for {
		at := marked(text)
		if at < 0 {
			return list, append(rest, text...)
		}
		end := at + 1 + lineLength(text[at+1:])
		header := conffile.Parse(text[end : end+lineLength(text[end:])])
		if len(header) != 1 || header[0].Kind != conffile.Header || !header[0].Adds() {
			rest, text = append(rest, text[:end]...), text[end:]
			continue
		}
		end += lineLength(text[end:])
		for end < len(text) {
			line := conffile.Parse(text[end : end+lineLength(text[end:])])
			if line[0].Kind != conffile.Variable {
				break
			}
			end += lineLength(text[end:])
		}
		a := addition{section: header[0].Name, text: slices.Clone(text[at:end])}
		for _, o := range header[0].Options {
			a.kind = strings.TrimPrefix(o, "+type=")
			a.kind = strings.TrimPrefix(a.kind, "+")
		}
		list, rest, text = append(list, a), append(rest, text[:at]...), text[end:]
	}
}

// marked is where our first addition begins; -1 for none.
func marked(text []byte) int {
	at := -1
	for _, mark := range []string{ourMark, newPasswordMark} {
		if i := bytes.Index(text, []byte("\n"+mark)); i >= 0 && (at < 0 || i < at) {
			at = i
		}
	}
	return at
}

// lineLength is the length of the first line, its end included.
func lineLength(text []byte) int {
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		return i + 1
	}
	return len(text)
}

// repairIncludes makes the lines that include our files optional, and drops those whose file
// is gone or holds nothing of ours. What UpdateConfig left in such files goes.
func (ed *editor) repairIncludes(custom *confFile) error {
	text := custom.text
	var errs []error
	var idle []string
	for _, l := range custom.lines {
		if l.Kind != conffile.Include || !isOwn(l.Value) {
			continue
		}
		own := &ownFile{confFile{ref: l.Value, path: ed.folder.local(l.Value)}}
		var err error
		if own.text, err = os.ReadFile(own.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
			continue
		}
		ours := own.additions()
		switch {
		case len(ours) == 0:
			text = own.excluded(text)
			idle = append(idle, own.path)
		case !bytes.Equal(ours, own.text):
			errs = append(errs, replace(own.path, ours))
			fallthrough
		default:
			text = own.included(text)
		}
	}
	if !bytes.Equal(text, custom.text) {
		if err := replace(custom.path, text); err != nil { // an include may still ask for the others
			return join(append(errs, err)...)
		}
	}
	for _, path := range idle {
		_ = os.Remove(path) // or the next time
	}
	return join(errs...)
}

// isOwn says whether an include names one of our files.
func isOwn(ref string) bool {
	base := filepath.Base(ref)
	return strings.HasPrefix(base, ownPrefix) && strings.HasSuffix(base, ".conf") && !strings.ContainsAny(base, "*?[")
}

// RemoveTraces removes what was added for an account that is gone. detail is "" if there was
// nothing.
func (s *standing) RemoveTraces(ctx context.Context, account string) (detail string, err error) {
	return s.editor.removeTraces(ctx, account)
}

func (ed *editor) removeTraces(ctx context.Context, account string) (detail string, err error) {
	done, err := ed.alone(ctx)
	if err != nil {
		return "", fmt.Errorf("remove what was added for %s: %w", account, err)
	}
	defer done()
	var removed []string
	var errs []error
	for _, root := range []string{"pjsip.conf", "sip.conf"} {
		t, err := ed.folder.readTree(root)
		if err != nil {
			continue // the channel driver is not there
		}
		for _, kind := range slices.Sorted(maps.Keys(ownKinds)) {
			section := account
			if kind == "auth" {
				section += "-auth" // as FreePBX names it
			}
			own := ed.folder.ownFile(section, kind)
			err := t.exclude(own)
			if err == nil {
				err = os.Remove(own.path)
			}
			switch {
			case err == nil:
				removed = append(removed, own.path)
			case !errors.Is(err, fs.ErrNotExist):
				errs = append(errs, err)
			}
		}
	}
	if err := join(errs...); err != nil {
		return strings.Join(removed, ", "), fmt.Errorf("remove what was added for %s: %w", account, err)
	}
	return strings.Join(removed, ", "), nil
}
