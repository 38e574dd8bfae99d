package pbx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/pbx/conffile"
)

// editor changes Asterisk's config files and proves through Asterisk that it did,
// or puts them back.
type editor struct {
	asterisk asterisk
	folder   folder
	direct   bool          // see Options.DirectEdit
	within   time.Duration // see Options.VerifyWithin
	changing chan struct{} // holds one token while a change is under way
	declared []string      // see Options.Generated
	trial    bool          // nothing is written: apply ends with errTrial
}

func newEditor(ast asterisk, o Options) *editor {
	return &editor{
		asterisk: ast, folder: folder(o.ConfigDir), direct: o.DirectEdit, within: o.VerifyWithin, declared: o.Generated,
		changing: make(chan struct{}, 1),
	}
}

// alone waits for any other change of Asterisk's files; done ends the turn.
func (ed *editor) alone(ctx context.Context) (done func(), err error) {
	select {
	case ed.changing <- struct{}{}:
		return func() { <-ed.changing }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the change under way: %w", ctx.Err())
	}
}

// placeOf reads the files of an edit and finds its section in them.
func (ed *editor) placeOf(e edit) (*tree, place, error) {
	t, err := ed.folder.readTree(e.root)
	if err != nil {
		return nil, place{}, err
	}
	p, err := t.locate(e.before[e.index], e.kind)
	if err != nil {
		return nil, place{}, fmt.Errorf("%s: %w", e.root, err)
	}
	return t, p, nil
}

// apply writes the edit into the files and proves through Asterisk that the new
// values are in force and that no other section changed. When it fails, the old
// files are back.
func (ed *editor) apply(ctx context.Context, e edit) (*change, error) {
	t, p, err := ed.placeOf(e)
	if err != nil {
		return nil, err
	}
	if p.file.generated(ed.declared) {
		return nil, fmt.Errorf("%s: %w", p.file.path, ErrGenerated)
	}
	if err := t.holds(e.swaps); err != nil {
		return nil, fmt.Errorf("%s: %w", ed.folder, err)
	}
	if ed.trial {
		if err := canReplace(p.file.path); err != nil {
			return nil, err
		}
		return nil, errTrial
	}
	var failures []error
	for _, w := range ed.writers(ctx, t, p, e) {
		c, err := ed.write(ctx, t, e, w)
		if err == nil {
			return c, nil
		}
		failures = append(failures, fmt.Errorf("by %s: %w", w.name, err))
		var denied *PermissionError
		if errors.As(err, &denied) || errors.Is(err, ErrLeftChanged) || ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("change [%s] of %s: %w", e.section, p.file.path, join(failures...))
}

// writer is one way to bring an edit into the files.
type writer struct {
	name    string
	file    *confFile // gets the new values
	touches []*confFile
	write   func(ctx context.Context) error
}

// writers are the ways to try, best first. UpdateConfig rewrites the file it is
// given with all its includes, and gets #tryinclude and patterns wrong, so it is
// given the smallest file that Asterisk can load by itself, and only plain ones.
func (ed *editor) writers(ctx context.Context, t *tree, p place, e edit) []writer {
	direct := writer{"one-line edit", p.file, []*confFile{p.file}, func(context.Context) error {
		return writeDirect(p, e.swaps)
	}}
	if ed.direct || e.direct {
		return []writer{direct}
	}
	if f, files := ed.source(ctx, t, p, e); f != nil {
		return []writer{{"UpdateConfig", p.file, files, func(ctx context.Context) error {
			return ed.updateConfig(ctx, f.ref, e)
		}}, direct}
	}
	return []writer{direct}
}

// source is the file to give to UpdateConfig, with all files it will rewrite.
func (ed *editor) source(ctx context.Context, t *tree, p place, e edit) (*confFile, []*confFile) {
	if e.before.namesake(e.section, e.kind) {
		return nil, nil
	}
	root := t.files[0]
	if p.file != root && p.file.plain {
		alone, err := ed.asterisk.getConfig(ctx, p.file.ref)
		if i, ferr := alone.find(e.section, e.kind); err == nil && ferr == nil && i >= 0 &&
			slices.Equal(alone[i].vars, e.before[e.index].vars) {
			if sub, err := ed.folder.readTree(p.file.ref); err == nil {
				return p.file, append([]*confFile{p.file}, sub.files[1:]...)
			}
		}
	}
	if root.plain {
		return root, t.files
	}
	return nil, nil
}

// updateConfig lets Asterisk write the edit. It cannot be stopped once
// asked, so its answer is waited for even when the caller gives up.
func (ed *editor) updateConfig(ctx context.Context, ref string, e edit) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ed.within)
	defer cancel()
	var edits []ami.Edit
	for _, s := range e.swaps {
		// Without Match, Asterisk 22 and older change the first value of that
		// name, which a template may have brought and a later one overrides.
		edit := ami.Edit{Verb: "Update", Category: e.section, Variable: s.name, Value: s.value, Match: s.old}
		if s.old == "" {
			edit.Verb = "Append"
		}
		if e.kind != "" {
			edit.Options = `catfilter="^type$=^` + quoteERE(e.kind) + `$"`
		}
		edits = append(edits, edit)
	}
	_, err := ed.asterisk.do(ctx, ami.UpdateConfig(ref, edits...))
	return err
}

// writeDirect changes the lines of the section and renames the new file into place.
func writeDirect(p place, swaps []swap) error {
	text := p.file.text
	for _, s := range swaps {
		if s.value == "" {
			text = conffile.DropVariable(text, p.section.In(text), s.name, s.old)
		} else {
			text = conffile.SetVariable(text, p.section.In(text), s.name, s.old, s.value)
		}
	}
	return replace(p.file.path, text)
}

// write copies the files, lets w write, and checks; or puts the files back.
func (ed *editor) write(ctx context.Context, t *tree, e edit, w writer) (*change, error) {
	c := &change{was: w.touches}
	for _, f := range w.touches {
		if f.owned {
			continue
		}
		if err := t.keepCopy(f, time.Now()); err != nil {
			return nil, err
		}
	}
	for _, f := range w.touches {
		now, err := os.ReadFile(f.path)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(now, f.text) {
			return nil, fmt.Errorf("another program is changing %s: try again", f.path)
		}
	}
	c.note = fmt.Sprintf("%s (%s, copy %s)", w.file.path, w.name, filepath.Base(t.copies[w.file]))
	if w.file.owned {
		c.note = fmt.Sprintf("%s (%s)", w.file.path, w.name)
	}
	err := w.write(ctx)
	for _, f := range c.was {
		text, rerr := os.ReadFile(f.path)
		c.is, err = append(c.is, text), join(err, rerr)
	}
	if err == nil {
		err = ed.inForce(ctx, e)
	}
	if err != nil {
		return nil, join(err, c.undo())
	}
	return c, nil
}

// inForce checks through Asterisk what the files now say.
func (ed *editor) inForce(ctx context.Context, e edit) error {
	after, err := ed.asterisk.getConfig(ctx, e.root)
	if err != nil {
		return err
	}
	var names []string
	for _, s := range e.swaps {
		names = append(names, s.name)
	}
	if !e.before.unchangedBut(after, e.index, names) {
		return errors.New("other sections came out changed")
	}
	target := after[e.index]
	for _, s := range e.swaps {
		got := target.values(s.name)
		if s.name == "password_digest" { // several may be in force
			if !slices.Contains(got, s.value) || slices.Contains(got, s.old) {
				return fmt.Errorf("%s came out without its new value", s.name)
			}
		} else if target.last(s.name) != s.value {
			return fmt.Errorf("the new %s is not the one in force", s.name)
		}
	}
	return nil
}
