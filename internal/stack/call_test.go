package stack

import (
	"fmt"
	"slices"
	"testing"

	"github.com/hsectl/hsectl/internal/profile/parser"
	"github.com/hsectl/hsectl/profiles"
)

const called = `
apiVersion: hsectl/v1
kind: Profile
name: shop
services:
  web:
    image: example/web:1
    user: "10001:10001"
    limits: {cpus: "0.5", memory: 64M}
    health: {command: [/program, health]}
    verify: {listen: [8080, 9000], reach: ["http://127.0.0.1:8080/orders", {from: host, url: "tcp://127.0.0.1:8081", status: 0}]}
    metrics: {port: 9000, path: /metrics}
    depends_on: [db, {service: job, condition: completed}, {service: far, condition: started}, {service: mute, condition: started, restart: true}]
  db: {preset: postgres, secrets: [{name: password, env: POSTGRES_PASSWORD_FILE}]}
  job: {image: "example/job:1", user: "10001:10001", limits: {cpus: "0.5", memory: 64M}, health: {command: [/program, health]}, restart: "no", verify: {listen: [1]}}
  far: {image: "example/far:1", user: "10001:10001", limits: {cpus: "0.5", memory: 64M}, health: {command: [/program, health]}, networks: [far], verify: {listen: [2]}}
  mute: {image: "example/mute:1", user: "10001:10001", limits: {cpus: "0.5", memory: 64M}, health: {command: [/program, health]}}
  api:
    image: example/api:1
    user: "10001:10001"
    limits: {cpus: "0.5", memory: 64M}
    health: {command: [/program, health]}
    networks: [open]
    ports: ["8081:8080", "0.0.0.0:5353:53/udp", "[::]:9100:9100"]
    verify: {listen: [53, 8080]}
networks:
  far: {}
  open: {publish: true}
secrets: {password: {env: PASSWORD}, chain: {env: CHAIN}, chain_key: {env: KEY}}
edge:
  address: 10.0.0.5
  sites:
    plain.example: {service: web, port: 8080, tls: "off", routes: [{path: /api/*, service: api, port: 3000}, {path: /m, service: web, port: 9000}]}
    "*.files.example": {service: web, port: 8080, certificate: chain, key: chain_key}
    acme.example: {service: web, port: 8080}
`

// What is asked, by whom and in which protocol, follows from what the profile says and from nothing else.
func TestCalls(t *testing.T) {
	p, err := parser.Parse([]byte(called), parser.Options{File: "test.yaml", Library: profiles.Library{}, CheckImage: func(string) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range New(p).Calls() {
		text := fmt.Sprintf("%s→%s %s", c.Caller(), c.Service, c.URL)
		if c.Address != "" {
			text += " at " + c.Address
		}
		if c.Own {
			text += " own"
		}
		if !c.Any {
			text += " good"
		}
		got = append(got, text)
	}
	want := []string{
		"host→api tcp://api:8080 at 127.0.0.1:8081",
		"api→api udp://api:53 own",
		"host→api tcp://api:9100 at [::1]:9100",
		"host→edge tcp://10.0.0.5:80",
		"host→edge tcp://10.0.0.5:443",
		"host→edge quic://10.0.0.5:443",
		"host→edge https://hsectl.files.example/ at 10.0.0.5:443",
		"edge→web http://web:8080/",
		"host→edge tcp://10.0.0.5:443",
		"host→edge http://plain.example/ at 10.0.0.5:80",
		"edge→api http://api:3000/",
		"edge→web http://web:9000/",
		"web→db postgres://db:5432",
		"web→web http://127.0.0.1:8080/orders good",
		"host→web tcp://127.0.0.1:8081 good",
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("asked:\n%q\nnot:\n%q", got, want)
	}
}
