// Package archive opens logs and call records as people keep them: compressed by gzip, xz,
// zstd or bzip2, and in folders of rotated files.
package archive
