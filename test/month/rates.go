package month

import (
	"math"
	"math/rand/v2"
	"time"
)

// The sources, by number. What has none is an assumption, and says so.
//
//	[1] Brostoff, Sasse: "Ten strikes and you're out". 386 users, ten weeks: 10% of
//	    login attempts failed.
//	    https://paperexplained.cn/articles/paper/detail/02afc0a989ee3fb6f7ff7f8bfcdea5975ce9ac6d
//	[2] Jenkinson on the same study: of those who fail at first, 54% get it right within
//	    three attempts and 93% within nine.
//	    http://blog.graemejenkinson.com/usable-security/three-strikes-and-youre-out
//	[3] Yealink W60P administrator's guide: reg_fail_retry_interval is 30 s.
//	    https://www.easymanua.ls/yealink/w53p/manual/269696?p=105
//	    T2xE2: a registration lasts 3,600 s.
//	    https://www.easymanua.ls/yealink/t21pe2/manual?p=215
//	[4] Grandstream GXV3370 administration guide: a failed registration is tried again
//	    after 20 s, a good one after 60 minutes.
//	    https://www.easymanua.ls/grandstream-networks/gxv33-series/manual/1381670?p=39
//	[5] snom: retry_after_failed_register is 300 s, give or take 10%.
//	    https://service.snom.com/display/wiki/retry_after_failed_register
//	[6] CounterPath Bria Professional: after 20 s, then doubled up to 1,800 s.
//	    https://azmanual.top/manuals/557064/counterpath-bria-professional-25-administrator-guide.html?page=30
//	[7] Aastra 5i: a rejected registration is tried again after 1,800 s.
//	    http://phone.manualsonline.com/manuals/mfg/aastra_telecom/5i_series.html?p=829
//	[8] Brown and others: service times of a call centre are lognormal.
//	    http://fic.wharton.upenn.edu/fic/papers/04/p0417.html
//	    Arrivals are an inhomogeneous Poisson process.
//	    https://wixlib.com/document/50c33_multifactor-poisson-and-gamma-poisson-models-for-call-center-arrival-times.html
//	[9] Call Center Advisor: a call that nobody answers takes an agent two minutes; a
//	    predictive dialer makes two or three calls at once for each agent.
//	    https://callcenteradvisor.com/what-is-predictive-dialing/
//	[10] Padmanabhan and others: "Reasons Dynamic Addresses Change", 3,038 RIPE Atlas
//	    probes: providers that renumber do so after a multiple of 24 hours; almost half
//	    of the changes are to another BGP prefix; outages change addresses, too.
//	    https://labs.ripe.net/author/ramakrishna_padmanabhan/reasons-dynamic-addresses-change
//	[11] Shavitt and others on 1,804 hosts: over 60% have a fixed address; the others
//	    change it every 24 hours in the median.
//	    https://arxivlens.com/PaperView/Details/on-the-dynamics-of-ip-address-allocation-and-availability-of-end-hosts-7763-233223
//	[12] Padmanabhan and others: "DynamIPs": IPv6 prefixes often stay for months.
//	    https://vdocuments.site/dynamips-analyzing-address-assignment-practices-in-ipv4-.html
//	[13] Zander, Murray: "Share or Not": up to a few thousand users share an address.
//	    https://researchrepository.murdoch.edu.au/id/eprint/40157/
//	[14] A SIP honeypot: 232,351 requests from 60 addresses within 24 hours.
//	    https://engineered.at/articles/what-i-learned-of-the-voip-hacker-scene-by-setting-up-a-sip-honeypot?comment_sort=best
//	[15] SikkerNet: 366 addresses at 39 sensors within 24 hours; 705 of 59,874 sessions
//	    tried to log in.
//	    https://sikkerapi.com/blog/sip-campaign-observed-across-39-sensors-coming-from-the-us
//	[16] RFC 3261, section 10.2: all registrations of a phone with a registrar should
//	    have one Call-ID.
//	    https://www.rfc-editor.org/rfc/rfc3261#section-10.2

// Days is how long a month lasts.
const Days = 31

const (
	// firstWrong is how often somebody who types a password gets it wrong [1].
	firstWrong = 0.10
	// wrongAgain is how often the next try after a wrong one is wrong: two of them in a
	// row leave the 46% who need more than three attempts [2].
	wrongAgain = 0.68
	// mostTries is when somebody gives up and asks for help [2].
	mostTries = 9
	// secondDevice is how often a person has a softphone beside the phone; retryingApp
	// is how many of these try a wrong password again by themselves [6], instead of
	// asking for another one. Assumptions.
	secondDevice, retryingApp = 0.4, 0.5
)

// wrongTries draws how often somebody mistypes a password before it is right.
func wrongTries(r *rand.Rand) (n int) {
	for p := firstWrong; n < mostTries && r.Float64() < p; p = wrongAgain {
		n++
	}
	return n
}

// model is a make of phone: what it calls itself, and how soon it tries again after so
// many failures.
type model struct {
	agent string
	retry func(r *rand.Rand, failures int) time.Duration
}

var models = []model{
	{"Yealink SIP-T46S 66.86.0.15", constant(30 * time.Second)},         // [3]
	{"Yealink SIP-T46S 66.86.0.15", constant(30 * time.Second)},         // the most common here: an assumption
	{"Grandstream GXP2170 1.0.11.39", constant(20 * time.Second)},       // [4]
	{"snomD785/10.1.54.13", roughly(300 * time.Second)},                 // [5]
	{"Aastra 6757i/3.3.1", constant(1800 * time.Second)},                // [7]
	{"Bria Professional 2.5", doubling(20*time.Second, 30*time.Minute)}, // [6]
}

// app is a softphone.
var app = model{"Bria Mobile 6.5", doubling(20*time.Second, 30*time.Minute)} // [6]

func constant(d time.Duration) func(*rand.Rand, int) time.Duration {
	return func(*rand.Rand, int) time.Duration { return d }
}

func roughly(d time.Duration) func(*rand.Rand, int) time.Duration {
	return func(r *rand.Rand, _ int) time.Duration { return time.Duration(float64(d) * (0.9 + 0.2*r.Float64())) }
}

func doubling(d, most time.Duration) func(*rand.Rand, int) time.Duration {
	return func(_ *rand.Rand, failures int) time.Duration { return min(d<<min(max(failures-1, 0), 10), most) }
}

// lasts is how long a registration lasts: an hour [3][4], or less behind a router that
// forgets its port (an assumption).
func lasts(r *rand.Rand) time.Duration {
	if r.IntN(10) == 0 {
		return 10 * time.Minute
	}
	return time.Hour
}

// talk draws how long a call takes: lognormal [8], three minutes in the mean (an
// assumption), and two hours at most.
func talk(r *rand.Rand) time.Duration {
	const sigma = 1.2
	mu := math.Log(180) - sigma*sigma/2
	seconds := math.Exp(mu + sigma*r.NormFloat64())
	return min(max(time.Duration(seconds*float64(time.Second)), 2*time.Second), 2*time.Hour)
}

// byHour is how many of a working day's calls are made in each hour from 7:00 on: an
// inhomogeneous Poisson process [8], of a shape that is an assumption.
var byHour = [14]float64{1, 4, 9, 12, 12, 8, 7, 10, 11, 10, 7, 3, 2, 1}

// workingTime draws a time of the day for a call.
func workingTime(r *rand.Rand) time.Duration {
	x := r.Float64() * 97
	for h, weight := range byHour {
		if x < weight {
			return time.Duration((7 + float64(h) + x/weight) * float64(time.Hour))
		}
		x -= weight
	}
	return 12 * time.Hour
}

// exponential draws a waiting time.
func exponential(r *rand.Rand, mean time.Duration) time.Duration {
	return time.Duration(r.ExpFloat64() * float64(mean))
}

// between draws a duration.
func between(r *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(r.Int64N(int64(most-least)))
}

// Background noise of the Internet. Between the 10 addresses a day of [15] and the 60
// of [14] a PBX of one's own is nearer to the latter.
const (
	scannersADay = 50
	// knowing is how many of them try extensions that exist, with passwords; 1% of the
	// sessions of [15] do, so this is on the safe side (an assumption).
	knowing = 0.06
	// spoofing is how many of these use spoofed addresses or invented nonces, so that
	// their guesses may be spoofed (an assumption).
	spoofing = 0.3
)
