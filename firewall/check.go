package firewall

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// Check is a dry run: the kernel builds the whole table under another name and
// deletes it in the same batch, so that no packet ever meets it. The error names
// what the kernel lacks or denies. Open may still fail if another program owns
// the table's name.
func Check(cfg Config) error {
	cfg, err := cfg.normal()
	if err != nil {
		return err
	}
	k, err := dial(cfg)
	if err != nil {
		return fmt.Errorf("firewall: check: %w", explain(err))
	}
	if err := k.rehearse(cfg); err != nil {
		err = fmt.Errorf("firewall: check: %w", explain(err))
		return errors.Join(err, k.closeConns())
	}
	return k.closeConns()
}

// Remove deletes all our tables from the kernel, whatever state they are in.
// They may be absent.
func Remove(cfg Config) error {
	cfg, err := cfg.normal()
	if err != nil {
		return err
	}
	k, err := dial(cfg)
	if err != nil {
		return fmt.Errorf("firewall: remove: %w", explain(err))
	}
	return k.Remove()
}

// rehearse builds the table; if that fails it tries one feature after the other
// to name the one that is missing.
func (k *Kernel) rehearse(cfg Config) error {
	allow, err := allowListOf(cfg.Allow)
	if err != nil {
		return err
	}
	t := nfTable(fmt.Sprintf("%s_check_%d", cfg.Name, os.Getpid()))
	contents := contentsOf(&mirror{}, allow, 0)
	whole := k.rehearsal(t, func() error {
		if err := buildTable(k.writer, t, k.ports, k.counted, nil); err != nil {
			return err
		}
		return buildContents(k.writer, t, contents, time.Now())
	})
	if whole == nil || errors.Is(whole, unix.EPERM) {
		return whole
	}
	for _, f := range features {
		if err := k.rehearsal(t, func() error { return f.build(k.writer, t) }); err != nil {
			return fmt.Errorf("the kernel lacks %s: %w", f.name, err)
		}
	}
	return fmt.Errorf("the kernel refuses the ruleset: %w", whole)
}

// rehearsal builds something in a new table and deletes the table in the same
// batch. The table must not exist before: it would not be ours to delete.
func (k *Kernel) rehearsal(t *nftables.Table, build func() error) error {
	return k.commit(func() error {
		k.writer.CreateTable(t)
		err := build()
		k.writer.DelTable(t)
		return err
	})
}

// features are what the table needs, each with the kernel option for it.
var features = []struct {
	name  string
	build func(*nftables.Conn, *nftables.Table) error
}{
	{"nftables with inet tables (CONFIG_NF_TABLES_INET)", func(*nftables.Conn, *nftables.Table) error { return nil }},
	{"hash sets with timeouts (nf_tables)", func(c *nftables.Conn, t *nftables.Table) error {
		return c.AddSet(nfSet(t, hosts4, false), nil)
	}},
	{"interval sets with timeouts (nf_tables)", func(c *nftables.Conn, t *nftables.Table) error {
		return c.AddSet(nfSet(t, prefixes6, false), nil)
	}},
	{"base chains before conntrack (nf_tables_inet)", func(c *nftables.Conn, t *nftables.Table) error {
		for i := range chains {
			c.AddChain(nfChain(t, &chains[i]))
		}
		return nil
	}},
	{"masked set lookups (nf_tables: payload, bitwise, lookup)", func(c *nftables.Conn, t *nftables.Table) error {
		s := nfSet(t, slash64, false)
		if err := c.AddSet(s, nil); err != nil {
			return err
		}
		exprs := chains[0].exprs(s, rule{set: slash64})
		exprs = append(exprs[:len(exprs)-2], exprs[len(exprs)-1]) // without the counter
		c.AddRule(&nftables.Rule{Table: t, Chain: c.AddChain(nfChain(t, &chains[0])), Exprs: exprs})
		return nil
	}},
	{"named counters (CONFIG_NFT_OBJREF, nft_objref and nft_counter)", func(c *nftables.Conn, t *nftables.Table) error {
		return buildTable(c, t, ports{DefaultSIPPorts, DefaultTCPPorts}, false, nil)
	}},
}
