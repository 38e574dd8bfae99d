package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"sync"
)

// Call is a call of a phone that was answered, by either side. Its methods are for one
// goroutine at a time, except Ended.
type Call struct {
	Number string // that was called

	phone         *Phone
	id            string
	local, remote string         // From and To of what the phone sends, tags included
	target        string         // URI of the PBX's side
	ack           []byte         // of the last INVITE the phone sent
	media         netip.AddrPort // where the PBX wants the sound

	ended chan struct{}
	once  sync.Once
}

// Call calls number and returns once it is answered. A refusal is a [*StatusError], silence is
// [ErrNoAnswer] once ctx ends.
func (p *Phone) Call(ctx context.Context, number string) (*Call, error) {
	call := &Call{
		Number: number, phone: p, id: token() + p.tail, ended: make(chan struct{}),
		local: p.address() + ";tag=" + token(), remote: p.addressOf(number),
		target: uriOf(p.addressOf(number)),
	}
	p.mu.Lock()
	p.calls[call.id] = call
	p.mu.Unlock()
	if err := call.invite(ctx); err != nil {
		p.mu.Lock()
		delete(p.calls, call.id)
		p.mu.Unlock()
		return nil, fmt.Errorf("call %s: %w", number, err)
	}
	return call, nil
}

// invite sends an INVITE, the first of the call or another one, and acknowledges the success.
func (c *Call) invite(ctx context.Context) error {
	response, _, err := c.phone.send(ctx, c.request("INVITE", c.phone.sdp()))
	if err != nil {
		return err
	}
	if err := c.phone.finish(response); err != nil {
		return err
	}
	c.remote = response.get("To")
	c.target = uriOf(response.get("Contact"))
	c.media = mediaOf(response.body)
	return c.acknowledge(response)
}

// Transfer asks the PBX to connect the other side of the call with a number (RFC 3515), and leaves.
func (c *Call) Transfer(ctx context.Context, number string) error {
	return c.refer(ctx, c.phone.addressOf(number))
}

// Connect asks the PBX to connect the other sides of two calls (RFC 3891), and leaves both.
func (c *Call) Connect(ctx context.Context, with *Call) error {
	replaces := fmt.Sprintf("%s;to-tag=%s;from-tag=%s", with.id, param(with.remote, "tag"), param(with.local, "tag"))
	return c.refer(ctx, "<"+uriOf(with.remote)+"?Replaces="+url.QueryEscape(replaces)+">")
}

func (c *Call) refer(ctx context.Context, to string) error {
	refer := c.request("REFER", "")
	refer.extra = []header{{"Refer-To", to}, {"Referred-By", c.phone.address()}}
	response, _, err := c.phone.send(ctx, refer)
	if err != nil {
		return err
	}
	return c.phone.finish(response)
}

func (c *Call) request(method, body string) outgoing {
	return outgoing{method: method, uri: c.target, callID: c.id, from: c.local, to: c.remote, body: body}
}

// acknowledge sends the ACK of a success: a request of its own, with the INVITE's number.
func (c *Call) acknowledge(response *message) error {
	var number int
	if _, err := fmt.Sscan(response.get("CSeq"), &number); err != nil {
		return fmt.Errorf("read CSeq: %w", err)
	}
	ack := request("ACK", c.target,
		header{"Via", c.phone.via("z9hG4bK" + token())},
		header{"Max-Forwards", "70"},
		header{"From", c.local},
		header{"To", c.remote},
		header{"Call-ID", c.id},
		header{"CSeq", fmt.Sprintf("%d ACK", number)}).bytes()
	c.phone.mu.Lock()
	c.ack = ack
	c.phone.mu.Unlock()
	return c.phone.wire.send(ack)
}

// Ended is closed when the call has ended: by a BYE of the PBX, by Hangup, or because Alive
// found that the PBX does not know it any more.
func (c *Call) Ended() <-chan struct{} { return c.ended }

func (c *Call) end() { c.once.Do(func() { close(c.ended) }) }

// Alive asks the PBX, by another INVITE within the call, whether it still has the call.
// Silence is [ErrNoAnswer] once ctx ends.
func (c *Call) Alive(ctx context.Context) (bool, error) {
	select {
	case <-c.ended:
		return false, nil
	default:
	}
	err := c.invite(ctx)
	var status *StatusError
	if errors.As(err, &status) && status.Code == 481 { // RFC 3261 12.2.2: no such call
		c.end()
		return false, nil
	}
	return err == nil, err
}

// Hangup ends the call from the phone's side.
func (c *Call) Hangup(ctx context.Context) error {
	c.end()
	response, _, err := c.phone.send(ctx, c.request("BYE", ""))
	if err != nil {
		return err
	}
	return c.phone.finish(response)
}
