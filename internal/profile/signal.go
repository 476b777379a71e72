package profile

// Signals returns the signals that may ask a service to stop.
func Signals() []string {
	return []string{"SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGRTMIN+3"}
}
