package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Phone is a SIP phone at a host: it registers, calls, and answers every call at once. It sends
// no sound. Its methods may be called from several goroutines; its one goroutine of its own ends
// with Close.
type Phone struct {
	Account string

	wire     wire
	agent    string
	tail     string // of its Call-IDs
	contact  string // where the PBX is to send requests
	instance string // Call-ID of its registrations
	incoming chan *Call
	done     chan struct{} // closed when the reader has ended

	mu      sync.Mutex
	login   credentials
	forward string                   // where it sends its callers; "" answers them
	ring    time.Duration            // before it answers
	seq     int                      // CSeq of the last request
	waiting map[string]chan *message // open requests by their branch
	calls   map[string]*Call         // by Call-ID
}

// PhoneOptions say how a phone speaks; the zero value is UDP from the host's first address.
type PhoneOptions struct {
	Transport string     // udp, tcp or ws
	From      netip.Addr // one of the host's addresses
	Port      uint16     // any by default
	UserAgent string     // "Lab phone"

	// CallIDTail ends every Call-ID, as that of a Guesser.
	CallIDTail string
}

// StatusError is a final answer of the PBX that is not a success.
type StatusError struct {
	Method string
	Code   int
	Reason string
}

func (e *StatusError) Error() string { return fmt.Sprintf("%s: %d %s", e.Method, e.Code, e.Reason) }

// ErrNoAnswer says that the PBX gave no answer in the time there was, as when the phone's
// address is banned.
var ErrNoAnswer = errors.New("no answer from the PBX")

// Phone puts a phone with the account's login at the host. An empty password is the one the
// account has at the start ([Passwords]).
func (h *Host) Phone(account, password string, o PhoneOptions) (*Phone, error) {
	if password == "" {
		password = Passwords[account]
	}
	if o.Transport == "" {
		o.Transport = "udp"
	}
	if !o.From.IsValid() {
		o.From = h.Source()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	w, err := dialWire(ctx, h, netip.AddrPortFrom(o.From, o.Port), o.Transport)
	if err != nil {
		return nil, fmt.Errorf("phone %s: %w", account, err)
	}
	p := &Phone{
		Account:  account,
		login:    credentials{account, password},
		wire:     w,
		agent:    cmp.Or(o.UserAgent, "Lab phone"),
		tail:     o.CallIDTail,
		contact:  fmt.Sprintf("<sip:%s@%s:%d;transport=%s>", url.PathEscape(account), uriHost(o.From), w.local().Port(), o.Transport),
		instance: token() + o.CallIDTail,
		incoming: make(chan *Call, 16),
		done:     make(chan struct{}),
		waiting:  make(map[string]chan *message),
		calls:    make(map[string]*Call),
	}
	go p.read()
	return p, nil
}

// Close takes the phone off the wire without telling the PBX, as pulling the plug does.
func (p *Phone) Close() error {
	err := p.wire.Close()
	<-p.done
	return err
}

// Source is the address and port the phone speaks from.
func (p *Phone) Source() netip.AddrPort { return p.wire.local() }

// LogIn changes the account that the phone logs in with.
func (p *Phone) LogIn(account, password string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Account, p.login = account, credentials{account, password}
}

// SetPassword changes what the phone logs in with.
func (p *Phone) SetPassword(password string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.login.password = password
}

// Forward has the phone send whoever calls it on to a number, as phones with a diversion do.
func (p *Phone) Forward(number string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forward = number
}

// Ring has the phone ring for that long before it answers a call.
func (p *Phone) Ring(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ring = d
}

// Incoming gives the calls the phone has answered.
func (p *Phone) Incoming() <-chan *Call { return p.incoming }

// Register registers the phone for an hour. A wrong password is a [*StatusError], silence is
// [ErrNoAnswer] once ctx ends.
func (p *Phone) Register(ctx context.Context) error { return p.register(ctx, time.Hour) }

// Unregister takes the registration back.
func (p *Phone) Unregister(ctx context.Context) error { return p.register(ctx, 0) }

func (p *Phone) register(ctx context.Context, lifetime time.Duration) error {
	uri := "sip:" + uriHost(pbxAt(p.Source().Addr()).Addr())
	response, _, err := p.send(ctx, outgoing{
		method: "REGISTER", uri: uri, callID: p.instance,
		from: p.address() + ";tag=" + token(), to: p.address(),
		extra: []header{{"Expires", strconv.Itoa(int(lifetime.Seconds()))}},
	})
	if err != nil {
		return err
	}
	return p.finish(response)
}

// finish makes an error of an answer that is not a success.
func (p *Phone) finish(response *message) error {
	if code, reason := response.status(); code >= 300 {
		return &StatusError{response.method(), code, reason}
	}
	return nil
}

// address is the phone's own as From and To want it.
func (p *Phone) address() string { return p.addressOf(url.PathEscape(p.Account)) }

func (p *Phone) addressOf(user string) string {
	return fmt.Sprintf("<sip:%s@%s>", user, uriHost(pbxAt(p.Source().Addr()).Addr()))
}

// outgoing is a request before it has its transaction.
type outgoing struct {
	method, uri, callID, from, to string
	extra                         []header
	body                          string
}

// send sends the request and answers one challenge. It returns the final response and the
// request it is for.
func (p *Phone) send(ctx context.Context, o outgoing) (response, sent *message, err error) {
	var authorization string
	for range 2 {
		sent = p.build(o, authorization)
		if response, err = p.transact(ctx, sent); err != nil {
			return nil, nil, fmt.Errorf("%s of %s: %w", o.method, p.Account, err)
		}
		code, _ := response.status()
		if o.method == "INVITE" && code >= 300 {
			p.ackFailure(sent, response)
		}
		if code != 401 || authorization != "" {
			break
		}
		p.mu.Lock()
		login := p.login
		p.mu.Unlock()
		authorization = login.answer(response.get("WWW-Authenticate"), o.method, o.uri)
	}
	return response, sent, nil
}

// build makes the message of a request, with the next sequence number and a new branch.
func (p *Phone) build(o outgoing, authorization string) *message {
	p.mu.Lock()
	p.seq++
	seq := p.seq
	p.mu.Unlock()
	m := request(o.method, o.uri,
		header{"Via", p.via("z9hG4bK" + token())},
		header{"Max-Forwards", "70"},
		header{"From", o.from},
		header{"To", o.to},
		header{"Call-ID", o.callID},
		header{"CSeq", fmt.Sprintf("%d %s", seq, o.method)},
		header{"Contact", p.contact},
		header{"User-Agent", p.agent})
	m.headers = append(m.headers, o.extra...)
	if authorization != "" {
		m.add("Authorization", authorization)
	}
	if o.body != "" {
		m.add("Content-Type", "application/sdp")
		m.body = o.body
	}
	return m
}

func (p *Phone) via(branch string) string {
	at := p.Source()
	return fmt.Sprintf("SIP/2.0/%s %s:%d;rport;branch=%s", p.wire.name(), uriHost(at.Addr()), at.Port(), branch)
}

// transact sends the request, again and again over UDP as RFC 3261 17.1 has it, and returns the
// final response.
func (p *Phone) transact(ctx context.Context, m *message) (*message, error) {
	branch := param(m.get("Via"), "branch")
	responses := make(chan *message, 8)
	p.mu.Lock()
	p.waiting[branch] = responses
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.waiting, branch)
		p.mu.Unlock()
	}()

	raw := m.bytes()
	if err := p.wire.send(raw); err != nil {
		return nil, err
	}
	wait := 500 * time.Millisecond
	again := time.NewTimer(wait)
	defer again.Stop()
	for {
		select {
		case response := <-responses:
			if code, _ := response.status(); code >= 200 {
				return response, nil
			}
			again.Stop()
		case <-again.C:
			if p.wire.name() != "UDP" {
				continue
			}
			if err := p.wire.send(raw); err != nil {
				return nil, err
			}
			wait = min(2*wait, 4*time.Second)
			again.Reset(wait)
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrNoAnswer, ctx.Err())
		case <-p.done:
			return nil, errors.New("the phone's connection has ended")
		}
	}
}

// ackFailure acknowledges a final response that is no success, within its transaction.
func (p *Phone) ackFailure(sent, response *message) {
	_, uri, _ := strings.Cut(sent.start, " ")
	uri, _, _ = strings.Cut(uri, " ")
	number, _, _ := strings.Cut(sent.get("CSeq"), " ")
	ack := request("ACK", uri,
		header{"Via", sent.get("Via")},
		header{"Max-Forwards", "70"},
		header{"From", sent.get("From")},
		header{"To", response.get("To")},
		header{"Call-ID", sent.get("Call-ID")},
		header{"CSeq", number + " ACK"})
	_ = p.wire.send(ack.bytes()) // lost like any packet: the PBX repeats its response
}

// uriOf takes the URI out of a header value such as `"Name" <sip:…>;tag=x`.
func uriOf(value string) string {
	if _, rest, found := strings.Cut(value, "<"); found {
		uri, _, _ := strings.Cut(rest, ">")
		return uri
	}
	uri, _, _ := strings.Cut(value, ";")
	return uri
}
