package firewall

import (
	"fmt"

	"github.com/google/nftables"
)

// EarlierChains names other programs' chains that a packet passes before ours or,
// at the same priority, perhaps before ours.
//
// Our rules still see what these chains accept: accept ends the evaluation of one
// base chain, and a later one at the same hook may still drop the packet (nft(8),
// VERDICT STATEMENTS). But they may drop what we should see, change a packet's
// source or redirect it, which an administrator looking for the cause of a problem wants
// to know.
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

// owns reports whether a table is ours.
func (k *Kernel) owns(t *nftables.Table) bool {
	return t.Family == nftables.TableFamilyINet && (t.Name == k.name || t.Name == k.name+bridgeSuffix || t.Name == k.name+watchSuffix)
}

// earlierHook returns the name of a base chain's hook, or "" if packets do not
// pass the chain before ours.
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
