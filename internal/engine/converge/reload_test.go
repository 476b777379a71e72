package converge

import "testing"

// Caddy's log says how a load has ended. These are lines of Caddy 2.11.4, and of 2.10, which does not know the signal.
func TestLoadEnded(t *testing.T) {
	const begun = `{"level":"info","ts":1795.1,"msg":"reloading config from last-known source","signal":"SIGUSR1","file":"/etc/hsectl/Caddyfile","adapter":"caddyfile"}` + "\n"
	for name, c := range map[string]struct {
		logs   string
		want   loadEnd
		reason string
	}{
		"nothing yet":   {"", loadPending, ""},
		"a visit":       {`{"level":"info","msg":"handled request","request":{"uri":"/SIGUSR1","headers":{"Signal":["SIGUSR1"]}}}` + "\n", loadPending, ""},
		"half a line":   {begun + `{"level":"info","msg":"succ`, loadPending, ""},
		"begun":         {begun, loadPending, ""},
		"loaded":        {begun + `{"level":"info","msg":"successfully reloaded config from file","signal":"SIGUSR1"}`, loadDone, ""},
		"refused":       {begun + `{"level":"error","msg":"failed to reload config from file","signal":"SIGUSR1","error":"adapting config: \u001b[2Jbad"}`, loadRefused, "adapting config: bad"},
		"an older one":  {`{"level":"info","msg":"not implemented","signal":"SIGUSR1"}`, loadUnheard, "it cannot reload while running: not implemented"},
		"another start": {`{"level":"info","msg":"last config unknown, ignored SIGUSR1","signal":"SIGUSR1"}`, loadUnheard, "it cannot reload while running: last config unknown, ignored SIGUSR1"},
	} {
		if got, reason := loadEnded(c.logs); got != c.want || reason != c.reason {
			t.Errorf("%s: %d, %q", name, got, reason)
		}
	}
}
