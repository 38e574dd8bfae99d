package score

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/tollwarden/tollwarden/ami/event"
)

// model is the reference implementation of a Table: slow and unbounded. It keeps all
// observations of a key since its threshold fired and examines all of them every time.
type model struct {
	thresholds []Threshold
	seen       map[string][]Observation
}

// observe returns the verdicts as key, threshold and score.
func (m *model) observe(o Observation) []string {
	var verdicts []string
	for _, t := range m.thresholds {
		var key string
		switch t.Per {
		case PerSource:
			key = event.SourcePrefix(o.Source).String()
		case PerNetwork:
			key = event.NetworkPrefix(o.Source).String()
		case PerAccount:
			name, ok := accountName(&o, new(accountBuffer))
			if !ok {
				continue
			}
			key = string(name)
		case PerSite:
			key = "site"
		}
		if t.Points[o.Signal] == 0 {
			continue
		}
		id := t.Name + "/" + key
		if t.Per == PerNetwork {
			o.At = o.At.Truncate(0).Add(-time.Duration(o.At.UnixMicro()&memberMask) * time.Microsecond)
		}
		all := append(m.seen[id], o)
		now := all[0].At
		for _, x := range all {
			if x.At.After(now) {
				now = x.At
			}
		}
		sum, share := 0, 0
		for _, x := range all {
			if x.At.After(now.Add(-t.Within)) {
				sum += t.Points[x.Signal]
				if event.SourcePrefix(x.Source) == event.SourcePrefix(o.Source) {
					share += t.Points[x.Signal]
				}
			}
		}
		if t.Per == PerNetwork && share > shareMost {
			continue // of one source no more counts
		}
		if sum >= t.Score {
			verdicts = append(verdicts, fmt.Sprintf("%s %s %d", key, t.Name, sum))
			all = nil
		}
		m.seen[id] = all
	}
	slices.Sort(verdicts)
	return verdicts
}

func verdictNames(vs []Verdict) []string {
	var names []string
	for _, v := range vs {
		key := v.Key.Prefix.String()
		if v.Key.Per == PerAccount || v.Key.Per == PerSite {
			key = v.Key.String()
		}
		names = append(names, fmt.Sprintf("%s %s %d", key, v.Threshold.Name, v.Score))
	}
	slices.Sort(names)
	return names
}

var modelThresholds = []Threshold{
	{Name: "fast", Per: PerSource, Points: map[Signal]int{InvalidPassword: 1, ChallengeResponseFailed: 1}, Score: 3, Within: 10 * time.Second},
	{Name: "a", Per: PerSource, Points: map[Signal]int{InvalidAccountID: 2, Tampering: 1}, Score: 4, Within: time.Millisecond},
	{Name: "b", Per: PerSource, Points: map[Signal]int{InvalidAccountID: 1}, Score: 6, Within: 20 * time.Second},
	{Name: "c", Per: PerSource, Points: map[Signal]int{SuccessfulAuth: 1}, Score: 5, Within: 20 * time.Hour},
	{Name: "slow", Per: PerSource, Points: map[Signal]int{InvalidPassword: 2, ChallengeResponseFailed: 3, InvalidAccountID: 1}, Score: 17, Within: 5 * time.Minute},
	{Name: "net", Per: PerNetwork, Points: map[Signal]int{InvalidPassword: 1, InvalidAccountID: 2}, Score: 9, Within: time.Minute},
	{Name: "account", Per: PerAccount, Points: map[Signal]int{InvalidPassword: 1, ChallengeResponseFailed: 2}, Score: 7, Within: 90 * time.Second},
	{Name: "site", Per: PerSite, Points: map[Signal]int{InvalidPassword: 1, ChallengeResponseFailed: 2}, Score: 11, Within: 40 * time.Second},
	{Name: "at once", Per: PerAccount, Points: map[Signal]int{SuccessAfterFailures: 5}, Score: 5, Within: time.Second},
}

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// script turns bytes into observations, six bytes each. Sensors disagree by up to
// sensorLag.
func script(data []byte) []Observation {
	signals := []Signal{InvalidPassword, ChallengeResponseFailed, InvalidAccountID, SuccessfulAuth, SuccessAfterFailures, ChallengeSent}
	services := []string{"PJSIP", "AMI"}
	now := start
	var all []Observation
	for ; len(data) >= 6; data = data[6:] {
		step := time.Duration(data[0])
		now = now.Add(step * step * step * time.Millisecond) // up to 4.6 hours, mostly small
		at := now
		if data[1]&1 == 1 {
			at = now.Add(-time.Duration(data[1]) * sensorLag * time.Microsecond / 256)
		}
		source := netip.AddrFrom4([4]byte{192, 0, data[2] & 1, data[2] >> 1 & 7})
		if data[2]&0x80 != 0 {
			source = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, data[2] & 1, 0, data[2] >> 1 & 3, 15: data[2]})
		}
		all = append(all, Observation{
			At: at, Signal: signals[int(data[3])%len(signals)], Source: source, Proof: Proof(data[3] >> 7),
			Service: []byte(services[data[4]>>7]), Account: []byte([]string{"", "<unknown>", "1001", "1002"}[data[4]&3]),
			Session: slices.Repeat([]byte("x"), int(data[5])),
		})
	}
	return all
}

func checkAgainstModel(t *testing.T, data []byte) {
	t.Helper()
	table, err := New(modelThresholds, Limits{Sources: 1024, Networks: 1024, Accounts: 1024, Spare: 200})
	if err != nil {
		t.Fatal(err)
	}
	m := &model{thresholds: modelThresholds, seen: make(map[string][]Observation)}
	for i, o := range script(data) {
		got, want := verdictNames(table.Observe(&o)), m.observe(o)
		if !slices.Equal(got, want) {
			t.Fatalf("observation %d, %v of %v at +%v: verdicts %v, want %v", i, o.Signal, o.Source, o.At.Sub(start), got, want)
		}
		if i%32 == 0 {
			checkTable(t, table)
		}
	}
	checkTable(t, table)
}

func FuzzTable(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 8 {
		data := make([]byte, 6*200)
		for i := range data {
			data[i] = byte(r.Uint32())
			if i%6 == 0 {
				data[i] %= 32
			}
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		checkAgainstModel(t, data[:min(len(data), 6*200)])
	})
}

// TestTableAgainstModel compares random observations at different rates with the model.
func TestTableAgainstModel(t *testing.T) {
	verdicts := 0
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 7))
		data := make([]byte, 6*500)
		pace := byte(1 + r.IntN(40))
		for i := 0; i < len(data); i += 6 {
			binary.LittleEndian.PutUint32(data[i+1:], r.Uint32())
			data[i] = byte(r.IntN(256)) % pace
			data[i+5] = byte(r.IntN(60))
		}
		checkAgainstModel(t, data)
		m := &model{thresholds: modelThresholds, seen: make(map[string][]Observation)}
		for _, o := range script(data) {
			verdicts += len(m.observe(o))
		}
	}
	if verdicts < 500 {
		t.Errorf("only %d verdicts: the scripts are too quiet", verdicts)
	}
}

// TestTableUnderPressure runs a table that is far too small and checks its invariants.
func TestTableUnderPressure(t *testing.T) {
	for seed := range uint64(20) {
		table, err := New(modelThresholds, Limits{Sources: 5, Networks: 2, Accounts: 1, Records: 3, Spare: 4})
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range table.spaces {
			if k != nil {
				k.nodes.limit = 24 // less than New would set
			}
		}
		r := rand.New(rand.NewPCG(seed, 3))
		data := make([]byte, 6*2000)
		for i := range data {
			data[i] = byte(r.Uint32())
			if i%6 == 0 {
				data[i] %= 16
			}
		}
		for _, o := range script(data) {
			table.Observe(&o)
			checkTable(t, table)
		}
		s := table.Stats()
		if s.Keys[PerSource].Evicted == 0 || s.Short == 0 {
			t.Errorf("no pressure: %+v", s)
		}
	}
}

// checkTable verifies the invariants of a table: every key is in one queue and in its
// bucket, every node and note is accounted for, and no limit is exceeded.
func checkTable(t *testing.T, table *Table) {
	t.Helper()
	trails, charged := 0, 0
	held := make(map[uint32]int)
	for _, k := range table.spaces {
		if k == nil {
			continue
		}
		inQueues, inRings := 0, 0
		for r := range k.queues {
			prev, n := uint32(0), 0
			for i := k.queues[r].oldest; i != 0; i = k.entries.at(i).next {
				x := k.entries.at(i)
				if x.rank != rank(r) || x.prev != prev {
					t.Fatalf("key %v is not linked correctly in queue %d", k.key(i), r)
				}
				s := id{word: x.word, family: x.family}
				if x.family == 0 {
					s.name = k.names.at(i).bytes()
				}
				if k.find(s) != i {
					t.Fatalf("key %v is not found", k.key(i))
				}
				for j := range k.rules {
					w := *k.window(i, x, j)
					sum, cells, last := uint32(0), 0, cell(0)
					k.nodes.each(w, func(c cell) {
						if c < last {
							t.Fatalf("key %v: cells out of order", k.key(i))
						}
						last = c
						sum += k.rules[j].points[c.signal()]
						cells++
					})
					if sum != k.nodes.sum(w, &k.rules[j]) || sum >= k.rules[j].score || cells > k.rules[j].cells {
						t.Fatalf("key %v: window of %d points, recorded %d, of %d", k.key(i), sum, k.nodes.sum(w, &k.rules[j]), k.rules[j].score)
					}
					if !w.single() {
						inRings += cells
					}
				}
				if x.kept > 0 {
					trails++
					charged += int(x.kept) - 1
					n := 0
					for j := table.evidence.notes.at(x.evidence).next[k.per-1]; ; j = table.evidence.notes.at(j).next[k.per-1] {
						held[j]++
						n++
						if j == x.evidence {
							break
						}
					}
					if n != int(x.kept) || n > int(table.evidence.perKey) {
						t.Fatalf("key %v keeps %d notes, recorded %d", k.key(i), n, x.kept)
					}
				}
				prev = i
				n++
			}
			if n != k.queues[r].n || k.queues[r].newest != prev {
				t.Fatalf("queue %d holds %d keys, recorded %d", r, n, k.queues[r].n)
			}
			inQueues += n
		}
		if inQueues != k.tracked || k.tracked > k.capacity {
			t.Fatalf("%v: %d keys in queues, %d tracked, capacity %d", k.per, inQueues, k.tracked, k.capacity)
		}
		if inRings != k.nodes.used || k.nodes.used > k.nodes.limit {
			t.Fatalf("%v: %d nodes in rings, %d recorded, limit %d", k.per, inRings, k.nodes.used, k.nodes.limit)
		}
	}
	e := &table.evidence
	used := 0
	for i, n := range held {
		if int(e.notes.at(i).keys) != n {
			t.Fatalf("note %d is in %d trails, recorded %d", i, n, e.notes.at(i).keys)
		}
		more := continuations(e.notes.at(i).length())
		used += 1 + more
		charged += more
	}
	if used != e.used || e.spare < 0 {
		t.Fatalf("%d notes in use, recorded %d, spare %d", used, e.used, e.spare)
	}
	if e.used > trails+charged {
		t.Fatalf("%d notes for %d trails and %d charged", e.used, trails, charged)
	}
}
