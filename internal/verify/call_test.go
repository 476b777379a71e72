package verify

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/hsectl/hsectl/internal/finding"
)

// asking is two services that call each other in every way but by an edge.
const asking = `apiVersion: hsectl/v1
kind: Profile
name: shop
services:
  web:
    preset: caddy
    user: "1000:1000"
    limits: {cpus: "2", memory: 1G, pids: 200}
    health: {http: {port: 8080, path: /ready}}
    ports: ["8080:8080"]
    depends_on: [db]
    verify: {reach: [{from: db, url: "http://web:8080/orders", status: 201}]}
  db: {image: "example/db:1", user: "1001:1001", limits: {cpus: "2", memory: 1G, pids: 200}, health: {command: [check]}, verify: {listen: [5432]}}
`

// unasked cannot ask anything from the machine of the engine.
type unasked struct{ seen }

func (*unasked) AskOutside(context.Context, string, []Check) ([]Answer, error) {
	return nil, errors.New("the probe was refused")
}

func asker(service, name string, answers ...Answer) Container {
	return Container{Name: name, Service: service, Dump: &Dump{Answers: answers}}
}

// A service is reachable when each of its callers has got an answer, from each of its containers; what was not asked proves nothing.
func TestCallsAreJudged(t *testing.T) {
	s := parse(t, asking)
	good := Answer{OK: true, Text: "fine"}
	bad := Answer{Text: "connection refused\x1b[31m"}
	rows := map[string]struct {
		containers []Container
		outside    Observer
		web, db    finding.Status
		text       string
	}{
		"all answer":              {[]Container{asker("web", "a", good), asker("db", "b", good)}, &seen{answers: []Answer{good}}, finding.Pass, finding.Pass, "port 127.0.0.1:8080, asked from host: fine"},
		"the port does not":       {[]Container{asker("web", "a", good), asker("db", "b", good)}, &seen{answers: []Answer{bad}}, finding.Fail, finding.Pass, "asked from host: connection refused"},
		"the host cannot ask":     {[]Container{asker("web", "a", good), asker("db", "b", good)}, &unasked{}, finding.Unknown, finding.Pass, "the probe was refused"},
		"a dependency does not":   {[]Container{asker("web", "a", bad), asker("db", "b", good)}, &seen{answers: []Answer{good}}, finding.Pass, finding.Fail, ""},
		"one of two callers":      {[]Container{asker("web", "a", good), asker("web", "a2", bad), asker("db", "b", good)}, &seen{answers: []Answer{good}}, finding.Pass, finding.Fail, ""},
		"a caller was not probed": {[]Container{{Name: "a", Service: "web", Error: "no probe"}, asker("db", "b", good)}, &seen{answers: []Answer{good}}, finding.Pass, finding.Unknown, ""},
		"a caller is not there":   {[]Container{asker("web", "a", good)}, &seen{answers: []Answer{good}}, finding.Unknown, finding.Pass, "it has no container"},
		"a question was left out": {[]Container{asker("web", "a"), asker("db", "b", good)}, &seen{answers: []Answer{good}}, finding.Pass, finding.Unknown, ""},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			called := newCalls(s).answers(t.Context(), row.outside, row.containers)
			for service, want := range map[string]finding.Status{"web": row.web, "db": row.db} {
				c := Container{Service: service, Name: service}
				c.Engine.Calls = called[service]
				model, _ := s.Service(service)
				f := byControl(judge(s, model, c, nil, nil))["HSE-NET-010"]
				if f.Status != want || service == "web" && !strings.Contains(f.Detail, row.text) {
					t.Errorf("%s is %s: %s", service, f.Status, f.Detail)
				}
			}
		})
	}
}

// Each caller is given its own questions, in the protocol that the profile names.
func TestWhoAsksWhat(t *testing.T) {
	s := parse(t, asking)
	o := &seen{containers: []Container{{Service: "web"}, {Service: "db"}}}
	if _, err := Verify(t.Context(), s, o, Options{}); err != nil {
		t.Fatal(err)
	}
	web, db := o.asked["web"].Asks, o.asked["db"].Asks
	if len(web) != 1 || web[0].URL != "tcp://db:5432" || len(db) != 1 || db[0].URL != "http://web:8080/orders" || db[0].Status != 201 || db[0].Any {
		t.Errorf("web asks %+v, db asks %+v", web, db)
	}
	if len(o.outside) != 1 || o.outside[0].URL != "http://web:8080/ready" || o.outside[0].Address != "127.0.0.1:8080" || !o.outside[0].Any {
		t.Errorf("the machine asks %+v", o.outside)
	}
}
