# Rendered by hsectl. Change the profile, not this file.
#
# Exports the engine's record of each container of one stack: its service (from the Compose labels), its health, the number of
# restarts, and whether it was killed because it ran out of memory. It reads files only and sends no request to the engine.
#
# A record is one line of JSON. Inside a string every quote is escaped, so a quoted key followed by a colon is a key.
# Values that are not plain words count as absent. The script ignores the content of the request.
printf 'Content-Type: text/plain; version=0.0.4\r\n\r\n'
exec awk -v stack="$HSE_STACK" '
function word(key) {
	if (!match($0, "\"" key "\":\"[A-Za-z0-9_.-]+\"")) return ""
	return substr($0, RSTART + length(key) + 4, RLENGTH - length(key) - 5)
}
function value(key) {
	if (!match($0, "\"" key "\":(true|false|[0-9]+)")) return ""
	return substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 3)
}
function show(name, number) { lines[name] = lines[name] sprintf("%s{stack=\"%s\",service=\"%s\",container=\"%s\"} %s\n", name, stack, service, id, number) }
function record() {
	records++
	if (stack == "" || word("com.docker.compose.project") != stack) return
	id = word("ID"); service = word("com.docker.compose.service"); health = word("Status"); restarts = value("RestartCount")
	if (length(id) != 64 || service == "") return
	show("hse_container_info", 1)
	show("hse_container_running", value("Running") == "true" && value("Restarting") != "true" ? 1 : 0)
	show("hse_container_oom_killed", value("OOMKilled") == "true" ? 1 : 0)
	show("hse_container_restarts_total", restarts == "" ? 0 : restarts)
	if (health == "healthy" || health == "unhealthy") show("hse_container_healthy", health == "healthy" ? 1 : 0)
}
function metric(name, type, help) { if (name in lines) printf "# HELP %s %s\n# TYPE %s %s\n%s", name, help, name, type, lines[name] }
BEGIN {
	# A record that disappears while it is read belongs to a removed container.
	for (i = 1; i < ARGC; i++) { if ((getline < ARGV[i]) > 0) record(); close(ARGV[i]) }
	metric("hse_container_info", "gauge", "A container of the stack, and its service.")
	metric("hse_container_running", "gauge", "1 while the container runs.")
	metric("hse_container_oom_killed", "gauge", "1 when the container was killed since its last start because it ran out of memory.")
	metric("hse_container_restarts_total", "counter", "Number of restarts of the container by the engine.")
	metric("hse_container_healthy", "gauge", "1 when the health test passes, 0 when it fails; absent before the first result.")
	print "# HELP hse_container_records Number of readable container records, of all stacks."
	print "# TYPE hse_container_records gauge"
	print "hse_container_records " records + 0
}' /var/lib/docker/containers/*/config.v2.json
