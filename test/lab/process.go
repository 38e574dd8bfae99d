package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// endProcesses kills what still runs in namespace ns and waits until it is gone.
func endProcesses(ns string) error {
	deadline := time.Now().Add(5 * time.Second)
	for {
		pids, err := processes(ns)
		if err != nil || len(pids) == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("end processes in namespace %s: %v will not die", ns, pids)
		}
		for _, pid := range pids {
			if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("kill %d in namespace %s: %w", pid, ns, err)
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// processes lists the process ids in namespace ns, this process never among them.
func processes(ns string) ([]int, error) {
	out, err := exec.Command("ip", "netns", "pids", ns).Output()
	if err != nil {
		return nil, fmt.Errorf("list processes in namespace %s: %w", ns, err)
	}
	var pids []int
	for _, field := range strings.Fields(string(out)) {
		if pid, err := strconv.Atoi(field); err == nil && pid != os.Getpid() && alive(pid) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// alive tells a process from one that has ended and whose parent has not looked yet.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	// proc(5): the state follows the program's name, which stands in parentheses.
	_, state, found := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " ")
	return found && !strings.HasPrefix(state, "Z")
}
