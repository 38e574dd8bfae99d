package main

import (
	"fmt"
	"net"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// site is a network namespace of the bench's own, with a loopback. One thread
// lives in it; the namespace ends with the last that uses it.
type site struct {
	work chan func()
	fd   int
}

func newSite() (*site, error) {
	s := &site{work: make(chan func())}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread dies with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			s.fd, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		}
		if err == nil {
			err = exec.Command("ip", "link", "set", "lo", "up").Run()
		}
		ready <- err
		for f := range s.work {
			f()
		}
	}()
	if err := <-ready; err != nil {
		return nil, fmt.Errorf("make a network namespace: %w", err)
	}
	return s, nil
}

func (s *site) close() {
	close(s.work)
	_ = unix.Close(s.fd)
}

// do runs f on the site's thread: its sockets and its children belong there.
func (s *site) do(f func() error) error {
	done := make(chan error)
	s.work <- func() { done <- f() }
	return <-done
}

// start starts a program at the site.
func (s *site) start(cmd *exec.Cmd) error { return s.do(cmd.Start) }

// run runs a program at the site to its end.
func (s *site) run(name string, args ...string) error {
	return s.do(func() error {
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s %v: %w: %s", name, args, err, out)
		}
		return nil
	})
}

func (s *site) listen() (l net.Listener, err error) {
	err = s.do(func() (err error) {
		l, err = net.Listen("tcp", "127.0.0.1:0")
		return err
	})
	return l, err
}
