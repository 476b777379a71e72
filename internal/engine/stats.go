package engine

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// Stats returns what a container uses at the moment.
func (e *Connection) Stats(ctx context.Context, id string) (container.StatsResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, e.Bounds.Prompt)
	defer cancel()
	var out container.StatsResponse
	answer, err := e.API.ContainerStats(ctx, id, client.ContainerStatsOptions{})
	if err != nil {
		return out, fmt.Errorf("reading what a container uses: %w", err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&out); err != nil {
		return out, fmt.Errorf("reading what a container uses: %w", err)
	}
	return out, nil
}
