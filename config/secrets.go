package config

import (
	"os"
	"strings"
)

// secret takes the AMI secret from the environment, the file or the key, in
// this order.
func (p *parser) secret(inline, path *string) Secret {
	getenv := p.env.Getenv
	if getenv == nil {
		getenv = os.Getenv
	}
	if s := getenv(SecretEnv); s != "" {
		return Secret(s)
	}
	if path != nil && *path != "" {
		return p.secretFile("asterisk.secret_file", *path)
	}
	if inline != nil && *inline != "" {
		return Secret(*inline)
	}
	p.fail("asterisk.secret", "missing: set secret_file, secret or the environment variable %s", SecretEnv)
	return ""
}

func (p *parser) secretFile(key, path string) Secret {
	info, err := os.Stat(path)
	if err != nil {
		p.fail(key, "%v", err)
		return ""
	}
	if info.Mode().Perm()&0o077 != 0 {
		p.fail(key, "other users can read %s (mode %04o): chmod 600 it", path, info.Mode().Perm())
		return ""
	}
	data, err := os.ReadFile(path)
	if err != nil {
		p.fail(key, "%v", err)
		return ""
	}
	s := strings.TrimRight(string(data), "\r\n")
	if s == "" || strings.ContainsAny(s, "\r\n\x00") {
		p.fail(key, "%s must hold only the secret, on one line", path)
		return ""
	}
	return Secret(s)
}
