package freepbx

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/tollwarden/tollwarden/ami/pbx/mariadb"
	"github.com/tollwarden/tollwarden/test/lab"
)

// Server is a MariaDB of its own, reached over its socket alone.
type Server struct {
	Socket string
	DB     *sql.DB // as an administrator

	dir string
	cmd *exec.Cmd
}

// admin is the administrator that the model itself uses, so that root can be anything.
const (
	admin         = "model"
	adminPassword = "model-of-freepbx"
)

// starting is how long the server may take to come up.
const starting = 30 * time.Second

// NewServer starts a MariaDB for a test and ends it with the test. It skips the test where
// there is none, and in short mode.
func NewServer(t testing.TB) *Server {
	t.Helper()
	if testing.Short() {
		t.Skip("needs time: no MariaDB is started in short mode")
	}
	for _, need := range []struct{ program, of string }{{"mariadbd", "mariadb-server-core"}, {"my_print_defaults", "mariadb-client-core"}} {
		if _, err := exec.LookPath(need.program); err != nil {
			t.Skipf("needs %s (package %s)", need.program, need.of)
		}
	}
	s, err := start(t.Context())
	if err != nil {
		t.Fatalf("start MariaDB: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("stop MariaDB: %v", err)
		}
	})
	return s
}

func start(ctx context.Context) (_ *Server, err error) {
	dir, err := os.MkdirTemp("", "tollwarden-mariadb-")
	if err != nil {
		return nil, err
	}
	s := &Server{Socket: filepath.Join(dir, "socket"), dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	as, err := runAs(dir)
	if err != nil {
		return nil, err
	}
	fresh, err := installed(ctx, as)
	if err != nil {
		return nil, err
	}
	if out, err := exec.CommandContext(ctx, "cp", "-a", fresh, filepath.Join(dir, "data")).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("copy a fresh database: %w: %s", err, out)
	}
	if err := s.Start(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// installed is the folder of a fresh database, which takes seconds to make and is kept for
// other tests, beside the lab's roots.
func installed(ctx context.Context, as []string) (dir string, err error) {
	cache, err := lab.Cache()
	if err != nil {
		return "", err
	}
	version, err := exec.CommandContext(ctx, "mariadbd", "--version").Output()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(cache, fmt.Sprintf("mariadb-%d-%08x", os.Geteuid(), crc32.ChecksumIEEE(version)))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	// Whoever it runs as need not have a way to the cache.
	part, err := os.MkdirTemp("", "tollwarden-mariadb-part-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(part)
	if _, err := runAs(part); err != nil {
		return "", err
	}
	data := filepath.Join(part, "data")
	install := exec.CommandContext(ctx, "mariadb-install-db", append([]string{
		"--no-defaults", "--datadir=" + data, "--innodb-log-file-size=4M", "--innodb-buffer-pool-size=16M", "--auth-root-authentication-method=socket", "--skip-test-db",
	}, as...)...)
	if out, err := install.CombinedOutput(); err != nil {
		return "", fmt.Errorf("mariadb-install-db: %w: %s", err, out)
	}
	beside := dir + "." + filepath.Base(part)
	if out, err := exec.CommandContext(ctx, "cp", "-a", data, beside).CombinedOutput(); err != nil {
		return "", fmt.Errorf("keep a fresh database: %w: %s", err, out)
	}
	if err := os.Rename(beside, dir); err != nil { // another test was faster
		return dir, os.RemoveAll(beside)
	}
	return dir, nil
}

// runAs gives the folder to the user that MariaDB runs as: it does not run as root.
func runAs(dir string) (arguments []string, err error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, err
	}
	return []string{"--user=" + u.Username}, os.Chown(dir, uid, -1)
}

// Start starts the server after Stop and waits until it answers.
func (s *Server) Start(ctx context.Context) error {
	as, err := runAs(s.dir)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	s.cmd = exec.Command("mariadbd", append([]string{ // it lives as long as the test, not as ctx
		"--no-defaults", "--datadir=" + filepath.Join(s.dir, "data"), "--socket=" + s.Socket, "--pid-file=" + filepath.Join(s.dir, "pid"),
		"--skip-networking", "--innodb-log-file-size=4M", "--innodb-buffer-pool-size=16M", "--innodb-fast-shutdown=2",
	}, as...)...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		return err
	}
	for deadline := time.Now().Add(starting); ; time.Sleep(20 * time.Millisecond) {
		if err = s.connect(ctx); err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			said, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("not up after %v: %w: %s", starting, err, said)
		}
	}
}

// connect logs in as the administrator, whom root makes the first time.
func (s *Server) connect(ctx context.Context) error {
	db, err := s.Login(admin, adminPassword, "")
	if err != nil {
		return err
	}
	if err = db.PingContext(ctx); err == nil {
		s.DB = db
		return nil
	}
	db.Close()
	me, uerr := user.Current()
	if uerr != nil {
		return uerr
	}
	root, rerr := s.Login("root", "", "")
	if me.Uid != "0" {
		root, rerr = s.Login(me.Username, "", "")
	}
	if rerr != nil {
		return rerr
	}
	defer root.Close()
	_, err = root.ExecContext(ctx, fmt.Sprintf("GRANT ALL ON *.* TO '%s'@'localhost' IDENTIFIED BY '%s' WITH GRANT OPTION", admin, adminPassword))
	return errors.Join(err, errNotYet)
}

var errNotYet = errors.New("the administrator was just made")

// Login is a connection as another user.
func (s *Server) Login(name, password, database string) (*sql.DB, error) {
	c := mysql.NewConfig()
	c.Net, c.Addr, c.User, c.Passwd, c.DBName, c.MultiStatements = "unix", s.Socket, name, password, database, true
	c.DialFunc = mariadb.Dialer(name)
	c.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// Stop ends the server, as a database that is down; Start brings it back with its data.
func (s *Server) Stop() error {
	if s.DB != nil {
		s.DB.Close()
	}
	if s.cmd == nil {
		return nil
	}
	err := s.cmd.Process.Signal(syscall.SIGTERM)
	if werr := s.cmd.Wait(); err == nil {
		err = werr
	}
	s.cmd = nil
	return err
}

// Close ends the server and takes away its folder.
func (s *Server) Close() error { return errors.Join(s.Stop(), os.RemoveAll(s.dir)) }
