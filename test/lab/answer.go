package lab

import (
	"fmt"
	"strings"
	"time"
)

// read gives every message that comes in to whom it is for, until the wire ends.
func (p *Phone) read() {
	defer close(p.done)
	for {
		raw, err := p.wire.receive()
		if err != nil {
			return
		}
		m, err := parseMessage(raw)
		if err != nil {
			continue
		}
		if m.isRequest() {
			p.serve(m)
			continue
		}
		p.deliver(m)
	}
}

// deliver hands a response to the request that waits for it. A success of an INVITE that nobody
// waits for any more is a repetition: its ACK was lost.
func (p *Phone) deliver(m *message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if responses, ok := p.waiting[param(m.get("Via"), "branch")]; ok {
		select {
		case responses <- m:
		default: // repetitions beyond what anybody reads
		}
		return
	}
	if call := p.calls[m.get("Call-ID")]; call != nil && m.method() == "INVITE" && call.ack != nil {
		_ = p.wire.send(call.ack)
	}
}

// serve answers a request of the PBX.
func (p *Phone) serve(m *message) {
	switch m.method() {
	case "ACK":
	case "INVITE":
		p.serveInvite(m)
	case "BYE", "CANCEL":
		p.respond(m, "200 OK", "")
		p.mu.Lock()
		call := p.calls[m.get("Call-ID")]
		p.mu.Unlock()
		if call != nil {
			call.end()
		}
	default: // OPTIONS, NOTIFY and the like
		p.respond(m, "200 OK", "")
	}
}

// serveInvite answers a call, or the PBX's change to a call there is.
func (p *Phone) serveInvite(m *message) {
	callID := m.get("Call-ID")
	p.mu.Lock()
	forward := p.forward
	if forward != "" {
		p.mu.Unlock()
		p.redirect(m, forward)
		return
	}
	call, known := p.calls[callID]
	if !known {
		user, _, _ := strings.Cut(strings.TrimPrefix(uriOf(m.get("To")), "sip:"), "@")
		call = &Call{
			Number: user, phone: p, id: callID, ended: make(chan struct{}),
			local: m.get("To") + ";tag=" + token(), remote: m.get("From"),
			target: uriOf(m.get("Contact")), media: mediaOf(m.body),
		}
		p.calls[callID] = call
	}
	ring := p.ring
	p.mu.Unlock()
	for i, h := range m.headers { // the response's To carries our tag
		if strings.EqualFold(h.name, "To") {
			m.headers[i].value = call.local
		}
	}
	switch {
	case known: // a change to it, or the INVITE once more
		p.respond(m, "200 OK", p.sdp())
	case ring == 0:
		p.answer(call, m)
	default:
		p.respond(m, "180 Ringing", "")
		go p.ringing(call, m, ring)
	}
}

// answer takes a call that has come in.
func (p *Phone) answer(call *Call, invite *message) {
	p.respond(invite, "200 OK", p.sdp())
	select {
	case p.incoming <- call:
	default: // nobody asks for them
	}
}

// ringing answers a call after some time, unless the PBX takes it back before.
func (p *Phone) ringing(call *Call, invite *message, d time.Duration) {
	select {
	case <-time.After(d):
	case <-call.ended:
	case <-p.done:
		return
	}
	// What has arrived by now comes first: on a busy machine the phone reads it late.
	for p.wire.waiting() {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(time.Millisecond)
	select {
	case <-call.ended:
		p.respond(invite, "487 Request Terminated", "")
	default:
		p.answer(call, invite)
	}
}

// redirect sends a caller to another number.
func (p *Phone) redirect(m *message, number string) {
	for i, h := range m.headers {
		if strings.EqualFold(h.name, "To") {
			m.headers[i].value += ";tag=" + token()
		}
	}
	response := p.response(m, "302 Moved Temporarily")
	response.add("Contact", p.addressOf(number))
	_ = p.wire.send(response.bytes())
}

// respond sends a response to the request m.
func (p *Phone) respond(m *message, status, body string) {
	response := p.response(m, status)
	response.body = body
	response.add("Contact", p.contact)
	if body != "" {
		response.add("Content-Type", "application/sdp")
	}
	_ = p.wire.send(response.bytes()) // the PBX repeats what it gets no answer to
}

// response begins the response to a request.
func (p *Phone) response(m *message, status string) *message {
	response := &message{start: "SIP/2.0 " + status}
	for _, h := range m.headers {
		switch strings.ToLower(h.name) {
		case "via", "from", "to", "call-id", "cseq", "record-route":
			response.headers = append(response.headers, h)
		}
	}
	return response
}

// sdp offers or accepts sound at a port where nobody listens.
func (p *Phone) sdp() string {
	family, a := "IP4", p.Source().Addr()
	if a.Is6() {
		family = "IP6"
	}
	return strings.Join([]string{
		"v=0", fmt.Sprintf("o=lab 1 1 IN %s %s", family, a), "s=-",
		fmt.Sprintf("c=IN %s %s", family, a), "t=0 0",
		"m=audio 40000 RTP/AVP 0 101", "a=rtpmap:0 PCMU/8000", "a=rtpmap:101 telephone-event/8000", "a=sendrecv", "",
	}, "\r\n")
}
