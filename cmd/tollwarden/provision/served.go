package provision

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Service is a folder that is handed out over the network.
type Service struct {
	Folder string
	By     string // what hands it out, or the file that says so
}

// usual are the folders that servers hand out if nothing else is configured, on Debian,
// Red Hat, Arch and FreePBX.
var usual = []struct {
	by      string
	folders []string
}{
	{"a web server", []string{
		"/var/www", "/srv/www", "/srv/http", "/usr/share/nginx", "/usr/local/apache2/htdocs", "/usr/local/nginx/html", "/var/lib/asterisk/static-http",
	}},
	{"a TFTP server, which knows no login", []string{"/tftpboot", "/srv/tftp", "/var/lib/tftpboot", "/var/tftp"}},
	{"an FTP server", []string{"/srv/ftp", "/var/ftp"}},
}

// configured are the files in which servers name the folders that they hand out, and the
// lines that do.
var configured = []struct {
	files   []string
	folders *regexp.Regexp
}{
	{
		[]string{"etc/apache2/apache2.conf", "etc/apache2/sites-enabled/*", "etc/apache2/conf-enabled/*", "etc/httpd/conf/*.conf", "etc/httpd/conf.d/*.conf"},
		regexp.MustCompile(`(?i)^\s*(?:DocumentRoot|(?:Script)?Alias\s+\S+|AliasMatch\s+\S+)\s+"?(/[^"]*?)"?\s*$`),
	},
	{
		[]string{"etc/nginx/nginx.conf", "etc/nginx/sites-enabled/*", "etc/nginx/conf.d/*.conf"},
		regexp.MustCompile(`(?:^|[\s{;])(?:root|alias)\s+"?(/[^";]*)"?\s*;`),
	},
	{[]string{"etc/lighttpd/lighttpd.conf", "etc/lighttpd/conf-enabled/*"}, regexp.MustCompile(`document-root\s*=\s*"(/[^"]*)"`)},
	{[]string{"etc/default/tftpd-hpa"}, regexp.MustCompile(`^TFTP_DIRECTORY="?(/[^"]*)"?`)},
	{[]string{"etc/default/atftpd", "etc/xinetd.d/*", "etc/inetd.conf", "usr/lib/systemd/system/tftp*.service", "etc/systemd/system/tftp*.service"}, regexp.MustCompile(`tftpd?\b.*\s(/\S+?)"?\s*$`)},
	{[]string{"etc/xinetd.d/tftp"}, regexp.MustCompile(`^\s*server_args\s*=.*?(/\S+)\s*$`)},
	{[]string{"etc/dnsmasq.conf", "etc/dnsmasq.d/*"}, regexp.MustCompile(`^\s*tftp-root=(/[^,]*)`)},
	{[]string{"etc/vsftpd.conf", "etc/vsftpd/vsftpd.conf"}, regexp.MustCompile(`^\s*(?:anon|local)_root=(/.*?)\s*$`)},
	{[]string{"etc/exports", "etc/exports.d/*"}, regexp.MustCompile(`^\s*"?(/[^"\s]*)`)},
	{[]string{"etc/samba/smb.conf"}, regexp.MustCompile(`(?i)^\s*path\s*=\s*(/.*?)\s*$`)},
	{[]string{"etc/asterisk/http*.conf"}, regexp.MustCompile(`^\s*static_uri\s*=>?\s*\S+\s*=>\s*(/\S+)`)},
}

const (
	maxConfig = 1 << 20 // bytes read of one file
	maxLinks  = 1000    // entries of a served folder that may lead elsewhere
)

// Services are the folders that servers on this machine hand out, as far as their usual
// places and their configuration below root ("/") say. A server that is configured elsewhere
// is not seen.
func Services(root string) (list []Service) {
	for _, u := range usual {
		for _, folder := range u.folders {
			list = append(list, Service{folder, u.by})
		}
	}
	for _, c := range configured {
		for _, pattern := range c.files {
			files, _ := filepath.Glob(filepath.Join(root, pattern)) // the patterns are valid
			for _, file := range files {
				for _, folder := range foldersIn(file, c.folders) {
					list = append(list, Service{folder, strings.TrimPrefix(file, strings.TrimSuffix(root, "/"))})
				}
			}
		}
	}
	for _, s := range list {
		list = append(list, linked(s)...)
	}
	return list
}

// foldersIn reads the folders that a server's file names. One that cannot be read names none.
func foldersIn(file string, pattern *regexp.Regexp) (list []string) {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, maxConfig))
	for lines.Scan() {
		for _, m := range pattern.FindAllStringSubmatch(lines.Text(), -1) {
			list = append(list, filepath.Clean(m[1]))
		}
	}
	return list
}

// linked are the folders that symbolic links in a served one lead to.
func linked(s Service) (list []Service) {
	entries, _ := os.ReadDir(s.Folder)
	for _, e := range entries[:min(len(entries), maxLinks)] {
		if e.Type() != os.ModeSymlink {
			continue
		}
		if to, err := filepath.EvalSymlinks(filepath.Join(s.Folder, e.Name())); err == nil {
			list = append(list, Service{to, s.By + ", by the link " + filepath.Join(s.Folder, e.Name())})
		}
	}
	return list
}

// servedBy says what hands out a folder, whose path has no symbolic links; "" if nothing is
// known to.
func servedBy(folder string, services []Service) string {
	for _, s := range services {
		at := s.Folder
		if real, err := filepath.EvalSymlinks(at); err == nil {
			at = real
		}
		if rel, err := filepath.Rel(at, folder); err == nil && filepath.IsLocal(rel) {
			return fmt.Sprintf("%s (%s)", s.Folder, s.By)
		}
	}
	return ""
}
