"""Real servers of Debian's packages (squid, nginx, haproxy, dnsmasq) and bad lines, in network namespaces."""
