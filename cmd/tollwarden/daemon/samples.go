package daemon

import (
	"time"

	"github.com/tollwarden/tollwarden/config"
	"github.com/tollwarden/tollwarden/responder/notify"
)

// Samples are what `tollwarden check --notify` sends: one message of each kind that the
// daemon sends, made in the same way and with the templates of the configuration.
func Samples(now time.Time, n *config.Notify) ([]*notify.Message, error) {
	c, err := parseNotifyConfig(n)
	if err != nil {
		return nil, err
	}
	incident := c.words.Of(hostName(), notify.Sample(now), time.Local)
	alarm := testMessage(c.style, now)
	return []*notify.Message{incident, alarm, notify.SampleDigest(c.style, now, incident, alarm)}, nil
}
