package dbtest

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// Server is a running database server.
type Server struct {
	URL string // of its maintenance database

	dir   string
	shell *exec.Cmd
	life  io.Closer // the shell's standard input: when it ends, the server does
}

// ErrNotInstalled is why a server cannot be started.
var ErrNotInstalled = errors.New("it is not installed; test/install.sh would")

// patience is how long a server may take to start on a busy machine.
const patience = 60 * time.Second

// Stop stops the server and removes what it kept.
func (s *Server) Stop() error {
	_ = s.life.Close()
	return s.shell.Wait()
}

// StartMySQL starts a MariaDB.
func StartMySQL() (*Server, error) {
	installer, err1 := exec.LookPath("mariadb-install-db")
	daemon, err2 := lookPath("mariadbd", "/usr/sbin")
	if err1 != nil || err2 != nil {
		return nil, fmt.Errorf("MariaDB: %w", ErrNotInstalled)
	}
	s, cred, err := newServer("mysql")
	if err != nil {
		return nil, err
	}
	data, socket := filepath.Join(s.dir, "data"), filepath.Join(s.dir, "sock")
	if err := s.setUp(cred, installer, "--no-defaults", "--datadir="+data, "--skip-test-db",
		"--auth-root-authentication-method=normal"); err != nil {
		return nil, err
	}
	s.URL = "mysql://root@localhost/?socket=" + socket
	err = s.run(cred, "KILL", daemon, "--no-defaults", "--datadir="+data, "--socket="+socket, "--skip-networking",
		"--pid-file="+filepath.Join(s.dir, "pid"), "--innodb-buffer-pool-size=64M", "--max-connections=500")
	if err != nil {
		return nil, err
	}
	return s, s.await("mysql", "root@unix("+socket+")/")
}

// StartPostgres starts a PostgreSQL. Its databases sort words as English people do, so that
// a column which must be sorted by bytes shows whether it is.
func StartPostgres() (*Server, error) {
	bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	initdb, err1 := lookPath("initdb", bins...)
	daemon, err2 := lookPath("postgres", bins...)
	if err1 != nil || err2 != nil {
		return nil, fmt.Errorf("PostgreSQL: %w", ErrNotInstalled)
	}
	s, cred, err := newServer("postgres")
	if err != nil {
		return nil, err
	}
	data := filepath.Join(s.dir, "data")
	if err := s.setUp(cred, initdb, "-D", data, "-U", "root", "-A", "trust", "-E", "UTF8", "-N",
		"--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en"); err != nil {
		return nil, err
	}
	s.URL = "postgres://root@/postgres?host=" + s.dir
	err = s.run(cred, "QUIT", daemon, "-D", data, "-k", s.dir, "-c", "listen_addresses=", "-c", "max_connections=300",
		"-c", "deadlock_timeout=50ms") // instead of a second: tests cross on purpose
	if err != nil {
		return nil, err
	}
	return s, s.await("pgx", s.URL)
}

// lookPath finds a program in the path or, failing that, the last of the folders.
func lookPath(name string, folders ...string) (string, error) {
	for _, dir := range slices.Backward(folders) {
		if p, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return p, nil
		}
	}
	return exec.LookPath(name)
}

// newServer makes the directory, and says as whom to run: the servers refuse root. The
// directory lies in /tmp, since the name of a unix socket may have a hundred bytes only.
func newServer(account string) (*Server, *syscall.Credential, error) {
	dir, err := os.MkdirTemp("/tmp", "kilonova-"+account+"-")
	if err != nil {
		return nil, nil, err
	}
	s := &Server{dir: dir}
	if os.Getuid() != 0 {
		return s, nil, nil
	}
	u, err := user.Lookup(account)
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err1, err2, os.Chown(dir, int(uid), int(gid))); err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// setUp runs the program that makes the server's files.
func (s *Server) setUp(cred *syscall.Credential, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	if out, err := cmd.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("%s: %w: %s", filepath.Base(name), err, out), os.RemoveAll(s.dir))
	}
	return nil
}

// guardian starts the server and waits for the end of its own standard input, which comes
// with the end of this process, or for the end of the server.
const guardian = `dir=$1 signal=$2; shift 2
"$@" >"$dir/log" 2>&1 & pid=$!
read -r _
kill "-$signal" $pid; wait $pid
cd /; rm -rf "$dir"`

func (s *Server) run(cred *syscall.Credential, signal, name string, args ...string) error {
	cmd := exec.Command("/bin/sh", append([]string{"-c", guardian, "sh", s.dir, signal, name}, args...)...)
	cmd.Dir = s.dir
	// A group of its own: what interrupts the tests must not interrupt the cleaning up.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred, Setpgid: true}
	life, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	s.shell, s.life = cmd, life
	if err := cmd.Start(); err != nil {
		return errors.Join(err, os.RemoveAll(s.dir))
	}
	return nil
}

// await waits until the server answers.
func (s *Server) await(driver, dsn string) error {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return errors.Join(err, s.Stop())
	}
	defer db.Close()
	late := time.After(patience)
	for {
		if err = db.Ping(); err == nil {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-late:
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return errors.Join(fmt.Errorf("the server does not answer: %w: %s", err, log), s.Stop())
		}
	}
}
