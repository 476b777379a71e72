package doctor

import (
	"slices"
	"strings"

	"github.com/hsectl/hsectl/internal/stack"
)

// linePassword is what clients of databases print when these refuse their password.
var linePassword = lazily(`(?i)password authentication failed|access denied for user|ER_ACCESS_DENIED|\bWRONGPASS\b|ACCESS_REFUSED.*(?:login|authentication)|invalid username-password pair|NOAUTH Authentication required|SCRAM.*authentication failed|MongoServerError: Authentication failed|(?:PLAIN|AMQPLAIN) login refused|Login failed for user|password verification failed`)

// wrongPassword names the service that refuses a password. One that keeps it in its data since its first start has data that is
// older than the secret; every other reads it at each start, so that it and its client were given different values.
func wrongPassword(r reading) (Diagnosis, bool) {
	in := r.stack
	for _, use := range r.service.Secrets {
		if strings.Contains(r.match[0], "WRONGPASS") { // Redis and Valkey keep none
			break
		}
		names := sameValue(in, use.Name)
		for _, keeper := range in.Services {
			for _, first := range keeper.FirstStarts {
				if slices.Contains(names, first.Secret) {
					return Diagnosis{Cause: "the data of " + keeper.Name + " is older than the secret " + first.Secret,
						Advice: "deploy the value that the data was initialised with, or run hsectl deploy, which changes the value in " + keeper.Name + " where the preset can; volume " +
							first.Volume + " keeps the one of its first start"}, true
				}
			}
		}
	}
	return Diagnosis{Cause: "a service that it needs refuses its password",
		Advice: "give both services the same secret and run hsectl deploy; a database that read the password at its first start keeps that one"}, true
}

// sameValue are the names of a secret, of the one that it is made from, and of those that are made from it.
func sameValue(in stack.Stack, name string) []string {
	out := []string{name}
	for _, secret := range in.Secrets {
		switch {
		case secret.Name == name && secret.From != "":
			out = append(out, secret.From)
		case secret.From == name:
			out = append(out, secret.Name)
		}
	}
	return out
}
