package policy

import "time"

// Monitoring describes how a stack is watched, as its profile declares it or as Prometheus itself says.
type Monitoring struct {
	Name     string // subject of what is not about one service
	Asked    bool   // the profile wants the stack to be watched
	Absent   bool   // it does, and nothing watches here: the monitoring stack is not deployed
	Services Fact[[]MonitoredService]
	Alerts   Fact[Alerts]
	Verified Fact[Verification]
}

// MonitoredService is how one service is watched.
type MonitoredService struct {
	Service string
	Ways    []string // how, in words: its metrics, an exporter, its health
	Jobs    []string // of Prometheus, one for each way
	Open    []string // where others than Prometheus can read its metrics
	Silent  []string // ways that do not answer
}

// Alerts are the rules, and those who are told.
type Alerts struct {
	Rules     []string // names of the alerts
	Receivers []string // who is told; empty when alerts end where they fire
}

// Verification is how often a running stack is verified.
type Verification struct {
	Every time.Duration // as the profile wants it; 0 when it does not
	Age   time.Duration // of the last result on this machine
	Any   bool          // there is a result
}
