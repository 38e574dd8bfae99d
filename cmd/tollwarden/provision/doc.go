// Package provision writes a password into a file from which a phone fetches its
// settings. It refuses a folder that other users of this machine can enter, and one that a
// web, TFTP or FTP server, NFS or Samba hands out.
package provision
