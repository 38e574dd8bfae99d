// Package backup moves a site's state to another host: the configuration, the
// ledger, the allow list and the rest of the data folder in one file.
//
// The file is a tar archive, compressed with gzip. Its first entry, manifest.json,
// names all others with their sizes and SHA-256 sums, so a file that was cut short
// or changed is recognised before anything is written. A restore checks everything
// first, then puts complete files beside their places, and only then renames them.
package backup
