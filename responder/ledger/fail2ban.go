package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// ForeignBan is a ban in another program's database.
type ForeignBan struct {
	Jail  string
	IP    string // as in that database
	Since time.Time
	Until time.Time // zero: forever
}

// Fail2ban reads the bans that are still in force from a fail2ban database, without
// changing it, even while fail2ban runs. Versions before 0.11 store no ban times:
// their bans all last for the duration otherwise.
func Fail2ban(ctx context.Context, path string, now time.Time, otherwise time.Duration) ([]ForeignBan, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("fail2ban database: %w", err)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("fail2ban database: %w", err)
	}
	db, err := sql.Open("sqlite", dsn(path, url.Values{"mode": {"ro"}}))
	if err != nil {
		return nil, explain("read", path, err)
	}
	defer db.Close()
	bans, err := fail2banBans(ctx, db, now, otherwise)
	if err != nil {
		return nil, explain("read", path, err)
	}
	return bans, nil
}

func fail2banBans(ctx context.Context, db *sql.DB, now time.Time, otherwise time.Duration) ([]ForeignBan, error) {
	var timed int
	const columns = `SELECT count(*) FROM pragma_table_info('bips') WHERE name = 'bantime'`
	if err := db.QueryRowContext(ctx, columns).Scan(&timed); err != nil {
		return nil, err
	}
	query := `SELECT jail, ip, timeofban, bantime FROM bips ORDER BY timeofban`
	if timed == 0 {
		query = fmt.Sprintf(`SELECT jail, ip, max(timeofban), %d FROM bans GROUP BY jail, ip ORDER BY 3`, int64(otherwise.Seconds()))
	}
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var bans []ForeignBan
	for rows.Next() {
		var b ForeignBan
		var since, lasts int64
		if err := rows.Scan(&b.Jail, &b.IP, &since, &lasts); err != nil {
			return nil, err
		}
		b.Since = time.Unix(since, 0)
		if lasts >= 0 { // -1 is permanent
			if b.Until = b.Since.Add(time.Duration(lasts) * time.Second); !b.Until.After(now) {
				continue
			}
		}
		bans = append(bans, b)
	}
	return bans, rows.Err()
}
