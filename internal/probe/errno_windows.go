package probe

// errnoName is for probes, which run on Linux only.
func errnoName(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// nonblock means nothing there.
const nonblock = 0
