package policy

import "time"

// Site is one host name that a service serves to the world, and what a visitor would see there.
type Site struct {
	Name    string
	Address string // host:port at which the host of the engine answers
	Local   bool   // only that host reaches it
	TLS     string // acme, files, internal or off
	Private bool   // an authority of the profile's own vouches: not every visitor knows it
	Looked  bool
	Seen    Fact[Handshake]
}

// Handshake is what a visitor of a site gets.
type Handshake struct {
	Version string        // such as TLS 1.3
	Old     string        // a version before 1.2 that is accepted, too; empty when none is
	Left    time.Duration // until the certificate expires; negative when it has
	Names   bool          // the certificate is for the site's name
	Trusted bool          // an authority that this machine trusts vouches for it
	Why     string        // why it is not trusted
	Refused string        // why there is no handshake at all
}
