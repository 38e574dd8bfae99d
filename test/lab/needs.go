package lab

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// Packages are the Debian packages that a lab needs, attackers included, for apt-get install.
func Packages() []string {
	return []string{"debootstrap", "nftables", "iproute2", "sip-tester", "sipvicious"}
}

// need is a program and the Debian package it comes in.
type need struct{ program, pkg string }

// needs are what a lab starts with; tools are what single attacks use on top.
var (
	needs = []need{{"debootstrap", "debootstrap"}, {"ip", "iproute2"}, {"nft", "nftables"}}
	tools = []need{{"sipp", "sip-tester"}, {"svcrack", "sipvicious"}, {"svwar", "sipvicious"}}
)

// Missing says what keeps a lab from running here, one phrase each, with the way out. It is
// empty where a lab can run.
func Missing() []string {
	var missing []string
	if os.Geteuid() != 0 {
		missing = append(missing, "root (run as root: namespaces, mounts and chroot need it)")
	} else if err := canIsolate(); err != nil {
		missing = append(missing, err.Error())
	}
	for _, n := range append(needs, tools...) {
		if _, err := exec.LookPath(n.program); err != nil {
			missing = append(missing, fmt.Sprintf("%s (apt-get install %s)", n.program, n.pkg))
		}
	}
	return missing
}

// canIsolate tries what containers without CAP_SYS_ADMIN forbid: a network namespace.
func canIsolate() error {
	cmd := exec.Command("/bin/true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("network namespaces (%w; in a container: run it with --privileged)", err)
	}
	return nil
}
