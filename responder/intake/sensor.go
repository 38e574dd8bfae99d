package intake

import "github.com/tollwarden/tollwarden/ami/event"

// Sensor is where an observation comes from.
type Sensor uint8

// The sensors. Asterisk writes one failed attempt to each of them that is
// switched on; what it cannot put into an event, it still puts into its log.
const (
	SensorAMI         Sensor = iota // the event session
	SensorSecurityLog               // SECURITY lines of Asterisk's log
	SensorLog                       // the other lines of it

	maxLogs = 3 // logs that are distinguished
	sensors = 1 + 2*maxLogs
)

// LogSensors are the sensors of the log number n, counted from 0. Asterisk may
// write the same into several logs, messages and full for instance.
func LogSensors(n int) (security, plain Sensor) {
	first := SensorSecurityLog + Sensor(2*min(n, maxLogs-1))
	return first, first + 1
}

// Plain says whether the sensor reads the lines of a log that are no security
// events.
func (s Sensor) Plain() bool { return s > SensorAMI && s%2 == 0 }

// String names the sensor.
func (s Sensor) String() string {
	switch {
	case s == SensorAMI:
		return "ami"
	case s.Plain():
		return "log"
	}
	return "security log"
}

// Misdialled says whether an event is an account's own call to a number that
// does not exist: Asterisk raises no event of it, and every user does it.
func Misdialled(e *event.Event) bool {
	return e.Kind == event.FailedACL && string(e.ACLName) == "no_extension_match" &&
		len(e.AccountID) > 0 && string(e.AccountID) != "anonymous"
}
