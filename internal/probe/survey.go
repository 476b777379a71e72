package probe

import (
	"context"
	"errors"
	"sync"

	"github.com/hsectl/hsectl/internal/verify"
)

// surveyParallel bounds the containers that a survey looks at at once.
const surveyParallel = 8

// Survey looks at containers of this machine from the host, and reports each that it could inspect. What it may not
// enter is left to others.
func Survey(ctx context.Context, subjects []verify.Subject, tell func(any) error) error {
	look := Local()
	places := make(chan struct{}, surveyParallel)
	var mu sync.Mutex // guards told
	var told error
	var wg sync.WaitGroup
	for _, s := range subjects {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			dump, err := look(ctx, s.PID, s.ID, s.Ask)
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			told = errors.Join(told, tell(verify.Subject{ID: s.ID, Dump: dump}))
		})
	}
	wg.Wait()
	return told
}
