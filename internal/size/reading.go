package size

import (
	"cmp"
	"slices"
	"time"
)

// Reading is what the engine says of one container at one time. CPU, Periods and Throttled only grow, until the container is started again.
type Reading struct {
	At        time.Time // the same for all containers that are read together
	Read      time.Time // when the engine read the counters
	Service   string
	Container string // id
	Started   time.Time
	Memory    int64         // bytes without file cache
	Limit     int64         // bytes it may have; 0 for no limit
	CPU       time.Duration // processor time since the start
	Periods   uint64        // periods of the scheduler since the start
	Throttled uint64        // those in which it was stopped at its limit
	PIDs      int
	Killed    bool             // it ran out of memory and was killed
	Tmpfs     map[string]int64 // bytes in each tmpfs, by path; what could not be read is missing
}

// FromReadings turns readings into the usage of each service. What was read less than start after a start is measured apart.
func FromReadings(readings []Reading, start time.Duration) map[string]Usage {
	sorted := slices.Clone(readings)
	slices.SortStableFunc(sorted, func(a, b Reading) int {
		return cmp.Or(cmp.Compare(a.Container, b.Container), a.At.Compare(b.At))
	})
	gathered := map[string]Usage{}
	for i, r := range sorted {
		u := gathered[r.Service]
		point := func(value float64) Point { return Point{r.At, value} }
		if r.At.Sub(r.Started) < start {
			u.Start = append(u.Start, point(float64(r.Memory)))
		} else {
			u.Memory = append(u.Memory, point(float64(r.Memory)))
		}
		u.PIDs = append(u.PIDs, point(float64(r.PIDs)))
		if r.Limit > 0 {
			u.Limit = append(u.Limit, point(float64(r.Limit)))
		}
		if r.Killed {
			u.Kills = append(u.Kills, point(1))
		}
		for path, bytes := range r.Tmpfs {
			if u.Tmpfs == nil {
				u.Tmpfs = map[string]Series{}
			}
			u.Tmpfs[path] = append(u.Tmpfs[path], point(float64(bytes)))
		}
		if i > 0 && sorted[i-1].Container == r.Container {
			u = u.since(sorted[i-1], r)
		}
		gathered[r.Service] = u
	}
	out := map[string]Usage{}
	for service, u := range gathered {
		out[service] = u.sorted()
	}
	return out
}

// since adds what a container used between two readings. After another start counters count from zero, and the processor time between the
// readings is not known.
func (u Usage) since(before, now Reading) Usage {
	took := now.Read.Sub(before.Read)
	if took <= 0 {
		return u
	}
	if !now.Started.Equal(before.Started) {
		before.Periods, before.Throttled = 0, 0
	} else if now.CPU >= before.CPU {
		u.CPU = append(u.CPU, Point{now.At, (now.CPU - before.CPU).Seconds() / took.Seconds()})
	}
	u.Periods = append(u.Periods, Point{now.At, increase(before.Periods, now.Periods)})
	u.Throttled = append(u.Throttled, Point{now.At, increase(before.Throttled, now.Throttled)})
	return u
}

// increase is how much a counter grew. One that fell began at zero again.
func increase(before, now uint64) float64 {
	if now < before {
		return float64(now)
	}
	return float64(now - before)
}

func (u Usage) sorted() Usage {
	for _, s := range []*Series{&u.Memory, &u.Start, &u.CPU, &u.PIDs, &u.Limit, &u.Kills} {
		*s = NewSeries(*s)
	}
	for path, s := range u.Tmpfs {
		u.Tmpfs[path] = NewSeries(s)
	}
	return u // periods of several containers add up, so they stay as they are
}
