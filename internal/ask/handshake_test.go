package ask_test

import (
	"crypto/tls"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hsectl/hsectl/internal/ask"
)

// What is wrong with a certificate, or with what a server accepts, is told one by one.
func TestShakeHands(t *testing.T) {
	server := func(config *tls.Config) string {
		s := httptest.NewUnstartedServer(nil)
		s.TLS = config
		s.Config.ErrorLog = nil
		s.StartTLS()
		t.Cleanup(s.Close)
		return strings.TrimPrefix(s.URL, "https://")
	}
	modern := server(&tls.Config{MinVersion: tls.VersionTLS12})
	h, err := ask.ShakeHands(t.Context(), modern, "example.com") // the name in the certificate of httptest
	if err != nil || h.Version != "TLS 1.3" || h.Old != "" || !h.Names || h.Trusted || h.Why == "" || h.Left < time.Hour {
		t.Errorf("%+v, %v", h, err)
	}
	if h, err := ask.ShakeHands(t.Context(), modern, "shop.test"); err != nil || h.Names {
		t.Errorf("another name: %+v, %v", h, err)
	}
	if h, err := ask.ShakeHands(t.Context(), server(&tls.Config{MinVersion: tls.VersionTLS10}), "example.com"); err != nil || h.Old != "TLS 1.1" {
		t.Errorf("an old version: %+v, %v", h, err)
	}
	plain := httptest.NewServer(nil)
	address := strings.TrimPrefix(plain.URL, "http://")
	if h, err := ask.ShakeHands(t.Context(), address, "example.com"); err != nil || h.Refused == "" {
		t.Errorf("no TLS: %+v, %v", h, err)
	}
	plain.Close()
	if _, err := ask.ShakeHands(t.Context(), address, "example.com"); err == nil {
		t.Error("an address on which nothing listens gives an answer")
	}
}
