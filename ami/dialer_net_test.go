package ami_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tollwarden/tollwarden/ami"
	"github.com/tollwarden/tollwarden/ami/amitest"
	"github.com/tollwarden/tollwarden/ami/event"
)

func TestTLS(t *testing.T) {
	https := httptest.NewTLSServer(nil) // for its certificate
	defer https.Close()
	p := startPBX(t, amitest.Options{TLS: &tls.Config{Certificates: https.TLS.Certificates}})
	d := ami.Dialer{Address: p.Address(), Username: warden.Name, Secret: warden.Secret, TLS: &tls.Config{}}
	if c, err := d.Connect(t.Context()); err == nil {
		_ = c.Close()
		t.Error("an untrusted certificate is accepted")
	}
	d.TLS.RootCAs = https.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	c, err := d.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Do(t.Context(), act("Ping")); err != nil {
		t.Error(err)
	}
}

// The security event raised by our own login contains our address.
func TestOwnLoginHasOurAddress(t *testing.T) {
	p := startPBX(t, amitest.Options{})
	remote := make(chan string, 1)
	c := connect(t, p, "security", func(_ time.Time, b *event.Block) {
		for _, h := range b.Headers {
			if string(h.Name) == "RemoteAddress" {
				remote <- string(h.Value)
			}
		}
	})
	host, port, _ := strings.Cut(c.LocalAddr().String(), ":")
	if got, want := <-remote, "IPV4/TCP/"+host+"/"+port; got != want {
		t.Errorf("RemoteAddress %s, want %s", got, want)
	}
}

func TestNoSecretInErrorsOrLog(t *testing.T) {
	p := startPBX(t, amitest.Options{AuthDelay: time.Millisecond, PlainOnly: true})
	var log bytes.Buffer
	d := ami.Dialer{Address: p.Address(), Username: warden.Name, Secret: "wr0ng-but-s3cret", Log: zerolog.New(&log)}
	_, err := d.Connect(t.Context())
	if !errors.Is(err, ami.ErrAuth) || strings.Contains(err.Error()+log.String(), "wr0ng") {
		t.Errorf("%v\n%s", err, &log)
	}
}
