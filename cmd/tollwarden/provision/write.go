package provision

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"text/template"
	"time"
)

// Entry is what a template can write: {{.Account}}, {{.Secret}} and {{.At}}. The function
// xml escapes text for a file of XML.
type Entry struct {
	Account string
	Secret  string
	At      time.Time // when it was set
}

// AcceptServed is the flag that accepts the risk of a folder that is handed out.
const AcceptServed = "--accept-served-folder"

// Folder is a checked folder of a provisioning server. What is written goes to the folder
// that was checked, even if another takes its place.
type Folder struct {
	path string
	root *os.Root
	gid  int
}

// Open checks a folder and opens it. It must belong to root or to this user, and nobody but
// its owner and, for reading, its group may enter it. One that services hand out is refused
// unless accepted. The caller closes the Folder.
func Open(path string, services []Service, accepted bool) (_ *Folder, err error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, fmt.Errorf("folder %s: %w", path, err)
	}
	if real, err = filepath.Abs(real); err != nil {
		return nil, fmt.Errorf("folder %s: %w", path, err)
	}
	root, err := os.OpenRoot(real)
	if err != nil {
		return nil, fmt.Errorf("folder %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = root.Close()
		}
	}()
	info, err := root.Stat(".")
	if err != nil {
		return nil, fmt.Errorf("folder %s: %w", path, err)
	}
	gid, err := private(path, info)
	if err != nil {
		return nil, err
	}
	if by := servedBy(real, services); by != "" && !accepted {
		return nil, fmt.Errorf("folder %s: it is below %s: whoever can fetch a file there, without a login, has the password. "+
			"Name a folder whose server asks for a login, or accept that with %s", path, by, AcceptServed)
	}
	return &Folder{path, root, gid}, nil
}

// private refuses a folder that others than its owner and group can enter, or that others
// can change. It returns its group.
func private(path string, info os.FileInfo) (gid int, err error) {
	mode := info.Mode().Perm()
	sys, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return 0, fmt.Errorf("folder %s: its owner is not known", path)
	case mode&0o007 != 0:
		return 0, fmt.Errorf("folder %s: mode %04o lets every user of this machine in: chmod 750 it, and give it the server's group (chgrp)", path, mode)
	case mode&0o020 != 0:
		return 0, fmt.Errorf("folder %s: mode %04o lets its group change it: chmod 750 it", path, mode)
	case sys.Uid != 0 && int(sys.Uid) != os.Geteuid():
		return 0, fmt.Errorf("folder %s: it belongs to uid %d, who could read the password: chown it to root", path, sys.Uid)
	}
	return int(sys.Gid), nil
}

// Close ends the use of the folder.
func (f *Folder) Close() error { return f.root.Close() }

// Write makes the file name in the folder from a template, with mode 0640 and the folder's
// group. It replaces a file of that name at once, never in part, and returns its path.
func (f *Folder) Write(name, text string, e Entry) (path string, err error) {
	if name == "" || name != filepath.Base(name) || strings.HasPrefix(name, ".") {
		return "", fmt.Errorf("file name %q: want a plain name", name)
	}
	content, err := fill(text, e)
	if err != nil {
		return "", err
	}
	temporary := fmt.Sprintf(".tollwarden-%d", time.Now().UnixNano())
	file, err := f.root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", fmt.Errorf("write to %s: %w", f.path, err)
	}
	_, err = file.Write(content)
	err = errors.Join(err, file.Chown(-1, f.gid), file.Chmod(0o640), file.Sync(), file.Close())
	if err == nil {
		err = f.root.Rename(temporary, name)
	}
	if err != nil {
		return "", errors.Join(fmt.Errorf("write to %s: %w", f.path, err), f.root.Remove(temporary))
	}
	return filepath.Join(f.path, name), nil
}

// fill executes a template, which must use the password.
func fill(text string, e Entry) ([]byte, error) {
	t, err := template.New("").Option("missingkey=error").Funcs(template.FuncMap{"xml": escapeXML}).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, e); err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	if !bytes.Contains(b.Bytes(), []byte(e.Secret)) {
		return nil, errors.New("template: it does not use {{.Secret}}")
	}
	return b.Bytes(), nil
}

func escapeXML(text string) (string, error) {
	var b strings.Builder
	err := xml.EscapeText(&b, []byte(text))
	return b.String(), err
}
