package firewall

import (
	"fmt"

	"github.com/google/nftables"
)

// EarlierChains names the chains of others through which a packet passes before ours
// or, at the same priority, perhaps before ours.
//
// What they accept still meets our rules: accept ends the evaluation of one
// base chain, and a later one at the same hook drops all the same (nft(8),
// VERDICT STATEMENTS). But they may drop what we should hear of, change a
// packet's source, or send it elsewhere, and a person looking for the reason
// of something wants to know them.
func (k *Kernel) EarlierChains() (found []string, err error) {
	err = k.do("list chains", nil, func() error {
		chains, err := k.lookup.ListChains()
		if err != nil {
			return explain(err)
		}
		for _, c := range chains {
			if c.Hooknum == nil || c.Priority == nil || c.Table == nil || k.owns(c.Table) {
				continue
			}
			if hook := earlierHook(c); hook != "" {
				found = append(found, fmt.Sprintf("chain %s of table %s %s (hook %s, priority %d)",
					c.Name, familyName(c.Table.Family), c.Table.Name, hook, *c.Priority))
			}
		}
		return nil
	})
	return found, err
}

// owns says whether a table is one of ours.
func (k *Kernel) owns(t *nftables.Table) bool {
	return t.Family == nftables.TableFamilyINet && (t.Name == k.name || t.Name == k.name+bridgeSuffix || t.Name == k.name+watchSuffix)
}

// earlierHook is the name of a base chain's hook where it is ahead of ours; ""
// where it is not.
func earlierHook(c *nftables.Chain) string {
	const (
		netdevIngress = 0 // NF_NETDEV_INGRESS
		inetIngress   = 5 // NF_INET_INGRESS
	)
	hook := *c.Hooknum
	switch c.Table.Family {
	case nftables.TableFamilyNetdev:
		if hook == netdevIngress {
			return "ingress"
		}
	case nftables.TableFamilyINet, nftables.TableFamilyIPv4, nftables.TableFamilyIPv6:
		switch {
		case hook == inetIngress && c.Table.Family == nftables.TableFamilyINet:
			return "ingress"
		case *c.Priority > *nftables.ChainPriorityRaw:
		case hook == *nftables.ChainHookPrerouting:
			return "prerouting"
		case hook == *nftables.ChainHookOutput:
			return "output"
		}
	}
	return ""
}

func familyName(f nftables.TableFamily) string {
	switch f {
	case nftables.TableFamilyINet:
		return "inet"
	case nftables.TableFamilyIPv4:
		return "ip"
	case nftables.TableFamilyIPv6:
		return "ip6"
	case nftables.TableFamilyNetdev:
		return "netdev"
	}
	return fmt.Sprintf("family %d", f)
}
