package engine

import "time"

// How long an engine may take. Every wait for one is bounded by one of these or by what its caller says.
const (
	// AnswerTimeout bounds how long an engine may take to answer at all.
	AnswerTimeout = 15 * time.Second
	// CreateTimeout bounds the creation of a container, which copies an image's content into new volumes.
	CreateTimeout = 2 * time.Minute
	// ProbeTimeout bounds a probe: it takes less than a second, and on a machine that has no time half a minute.
	ProbeTimeout = time.Minute
	// ProbeStart bounds the time between making a probe and starting it.
	ProbeStart = time.Minute
	// PollInterval is how often the containers of a stack are looked at while something is waited for.
	PollInterval = 250 * time.Millisecond
)
