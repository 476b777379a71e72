package verify

import (
	"net/http"
	"testing"
	"time"
)

func TestJudgeAnswers(t *testing.T) {
	now := time.Date(2026, 6, 15, 0, 0, 0, 0, time.UTC)
	header := http.Header{"Content-Type": {"text/plain; charset=utf-8"}}.Get
	for name, c := range map[string]struct {
		got  Answer
		want bool
	}{
		"200":                        {Check{}.JudgeHTTP(200, header, "ok"), true},
		"redirect":                   {Check{}.JudgeHTTP(302, header, ""), true},
		"404":                        {Check{}.JudgeHTTP(404, header, ""), false},
		"wanted 404":                 {Check{Status: 404}.JudgeHTTP(404, header, ""), true},
		"body":                       {Check{Body: "ready"}.JudgeHTTP(200, header, "not yet"), false},
		"header":                     {Check{Header: "content-type: text/plain"}.JudgeHTTP(200, header, ""), true},
		"missing header":             {Check{Header: "X-Frame-Options: DENY"}.JudgeHTTP(200, header, ""), false},
		"certificate":                {Check{Days: 14}.JudgeCertificate("TLS 1.3", now.AddDate(0, 0, 30), now), true},
		"certificate ends soon":      {Check{Days: 14}.JudgeCertificate("TLS 1.3", now.AddDate(0, 0, 3), now), false},
		"certificate has ended":      {Check{}.JudgeCertificate("TLS 1.3", now.Add(-time.Hour), now), false},
		"postgres":                   {JudgePostgres([]byte("R\x00\x00\x00\x17")), true},
		"postgres starts":            {JudgePostgres([]byte("E\x00\x00\x00\x20SFATAL\x00VFATAL\x00C57P03\x00Mstarting\x00")), false},
		"postgres refuses this user": {JudgePostgres([]byte("E\x00\x00\x00\x20SFATAL\x00C28000\x00Mno\x00")), true},
		"not postgres":               {JudgePostgres([]byte("HTTP/1.1 400")), false},
		"postgres, nothing":          {JudgePostgres(nil), false},
		"mysql":                      {JudgeMySQL([]byte("\x4a\x00\x00\x00\x0a9.1.0\x00rest")), true},
		"mysql refuses":              {JudgeMySQL([]byte("\x4a\x00\x00\x00\xff\x6a\x04Host is blocked")), false},
		"not mysql":                  {JudgeMySQL([]byte("SSH-2.0")), false},
		"redis":                      {JudgeRedis([]byte("+PONG\r\n")), true},
		"redis with a password":      {JudgeRedis([]byte("-NOAUTH Authentication required.\r\n")), true},
		"redis loads":                {JudgeRedis([]byte("-LOADING Redis is loading the dataset in memory\r\n")), false},
		"not redis":                  {JudgeRedis([]byte("HTTP/1.1 400")), false},
	} {
		if c.got.OK != c.want {
			t.Errorf("%s: %+v", name, c.got)
		}
	}
}

// What a server sends is not to be trusted.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte("R\x00"))
	f.Add([]byte("\x4a\x00\x00\x00\x0a9.1.0"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		JudgePostgres(data)
		JudgeMySQL(data)
		JudgeRedis(data)
	})
}
