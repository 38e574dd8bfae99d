// Package packaging holds what a release is made of, and its tests: two builds give
// the same bytes, and the packages can be installed, upgraded and removed.
package packaging
