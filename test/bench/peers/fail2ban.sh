# fail2ban as Debian ships it, one jail, told of new lines by inotify.
rm -f /etc/fail2ban/jail.d/*
mkdir -p /var/run/fail2ban
cat >/etc/fail2ban/jail.local <<'EOF'
[asterisk-bench]
enabled = true
filter = asterisk
logpath = /var/log/asterisk/security
backend = pyinotify
maxretry = 3
findtime = 1h
bantime = 1h
banaction = nftables-allports
EOF
exec fail2ban-server -xf --logtarget=SYSOUT start
