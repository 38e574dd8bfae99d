// Command sbom lists the modules in a Go program as CycloneDX JSON, from what the
// linker recorded in it: the list that `go version -m` prints.
package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"
)

func main() {
	version := flag.String("version", "", "the program's `VERSION`")
	epoch := flag.Int64("time", 0, "when it was released, in `SECONDS` since 1970")
	flag.Parse()
	if err := run(os.Stdout, flag.Arg(0), *version, time.Unix(*epoch, 0)); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, path, version string, at time.Time) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return out.Encode(list(info, filepath.Base(path), version, sha256.Sum256(text), at))
}

// document is the part of CycloneDX 1.6 that is used here
// (https://cyclonedx.org/docs/1.6/json/).
type document struct {
	Schema       string       `json:"$schema"`
	Format       string       `json:"bomFormat"`
	Spec         string       `json:"specVersion"`
	Serial       string       `json:"serialNumber"`
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Timestamp string    `json:"timestamp"`
	Component component `json:"component"`
}

type component struct {
	Ref        string     `json:"bom-ref"`
	Type       string     `json:"type"`
	Name       string     `json:"name"`
	Version    string     `json:"version"`
	PURL       string     `json:"purl,omitempty"`
	Hashes     []hash     `json:"hashes,omitempty"`
	Licenses   []license  `json:"licenses,omitempty"`
	Properties []property `json:"properties,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type license struct {
	License struct {
		ID string `json:"id"`
	} `json:"license"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn"`
}

// list makes the document about the program called name.
func list(info *buildinfo.BuildInfo, name, version string, sum [sha256.Size]byte, at time.Time) document {
	program := component{
		Ref: "pkg:golang/" + info.Main.Path + "@" + version, Type: "application", Name: name, Version: version,
		PURL:   "pkg:golang/" + info.Main.Path + "@" + version,
		Hashes: []hash{{"SHA-256", hex.EncodeToString(sum[:])}},
	}
	program.Licenses = make([]license, 1)
	program.Licenses[0].License.ID = "Apache-2.0"
	for _, s := range info.Settings {
		program.Properties = append(program.Properties, property{"go:build:" + strings.TrimPrefix(s.Key, "-"), s.Value})
	}
	d := document{
		Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", Spec: "1.6",
		Serial: "urn:uuid:" + uuid(sum), Version: 1,
		Metadata: metadata{at.UTC().Format(time.RFC3339), program},
	}
	add := func(c component) {
		d.Components = append(d.Components, c)
	}
	std := strings.TrimPrefix(info.GoVersion, "go")
	add(component{Ref: "pkg:golang/std@" + std, Type: "library", Name: "std", Version: std, PURL: "pkg:golang/std@" + std})
	for _, m := range info.Deps {
		add(module(m))
	}
	needs := dependency{Ref: program.Ref}
	for _, c := range d.Components {
		needs.DependsOn = append(needs.DependsOn, c.Ref)
	}
	d.Dependencies = []dependency{needs}
	return d
}

// module is one dependency; its sum is that of go.sum, which is a hash of a list of
// files and so none of CycloneDX's own kinds.
func module(m *debug.Module) component {
	if m.Replace != nil {
		m = m.Replace
	}
	purl := "pkg:golang/" + m.Path + "@" + strings.ReplaceAll(m.Version, "+", "%2B")
	c := component{Ref: purl, Type: "library", Name: m.Path, Version: m.Version, PURL: purl}
	if m.Sum != "" {
		c.Properties = []property{{"go:sum", m.Sum}}
	}
	return c
}

// uuid makes the serial number from the program's sum, so that the same program has
// the same document (RFC 9562, version 8).
func uuid(sum [sha256.Size]byte) string {
	b := sum[:16]
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	h := hex.EncodeToString(b)
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}
