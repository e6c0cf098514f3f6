"""Rules that Proxmox's firewall takes, and rules that it refuses, as a catalog declares them."""

from __future__ import annotations

from typing import Any

from phoenix_worker.catalog.declaration import FirewallRule

IP_SETS = ("office",)
ALIASES = ("router", "gate-way_6")
"""Those of the datacenter that rules here name."""

_PORTS = {"proto": "tcp"}
_FIFTEEN = ",".join(map(str, range(1, 16)))

TAKEN: tuple[dict[str, Any], ...] = (
    *(
        {"source": source}
        for source in (
            "10.0.0.1",
            "10.0.0.0/24",
            "10.0.0.5/32",
            "0.0.0.0/0",
            "10.0.0.1-10.0.0.9",
            "10.0.0.1-10.0.0.1",
            "10.0.0.1,10.1.0.0/16",
            "fd00::/64",
            "FD00::1",
            "::/0",
            "fd00::1-fd00::9",
            "fd00::1,fe80::/10",
            "10/8",
            "172.16/12,10.0.0.1",
            "10.0.0.0/08",
            "10.0.0.0/255.255.255.0",
            "0.0.0.0/0.0.0.0",
            "1:2:3:4:5:6:7:0",
            "1::3:4:5:6:7:8",
            "::ffff:10.0.0.1",
            "+office",
            "+dc/office",
            "+guest/office",
            "router",
            "dc/router",
            "gate-way_6",
        )
    ),
    {"source": "10.0.0.1", "dest": "10.0.0.0/8", "proto": "icmp"},
    {"source": "fd00::1", "proto": "icmpv6"},
    {"source": "fd00::1", "proto": "1"},
    {"source": "+office", "dest": "fd00::1"},
    *({**_PORTS, "port": port} for port in (22, "22", "0", "80,443", "8000:8010", "5:5", "1:65535", "ssh", "https,80")),
    *({**_PORTS, "port": port} for port in (_FIFTEEN, f"{_FIFTEEN},ssh", "1:2,3:4,5:6,7:8,9:10,11:12,13:14,15", "080")),
    *({"proto": proto, "port": 53} for proto in ("udp", "udplite", "sctp", "dccp", "6", "17", "33", "132", "136")),
    *({"proto": proto} for proto in ("icmp", "icmpv6", "ipv6-icmp", "1", "58", "gre", "47", "esp", "ip")),
    *({"proto": "icmp", "port": port} for port in ("0", "8,0", 8, "8:9", "echo-request", "TOS-host-redirect", "any")),
    *({"proto": "icmpv6", "port": port} for port in ("128", "echo-request", "neighbour-solicitation", "no-route")),
    {"proto": "ipv6-icmp", "port": "echo-reply,echo-request"},
    *({"comment": comment} for comment in ("with # and -p tcp", "a\tb", "00", "--", "ü ✓")),
    *({"macro": macro, "source": "10.0.0.1"} for macro in ("SSH", "Ping", "SPICEproxy")),
    {"macro": "NeighborDiscovery"},
    *({"iface": iface} for iface in ("net0", "net9", "net31")),
    *({**_PORTS, "source_port": port} for port in (22, "0", "80,443", "1024:65535", "ssh")),
    {"proto": "udp", "port": 67, "source_port": 68},
    *({"proto": "icmp", "icmp_type": kind} for kind in ("echo-request", "any", "TOS-host-redirect")),
    *({"proto": proto, "icmp_type": "no-route"} for proto in ("icmpv6", "ipv6-icmp")),
    {"group": "web-servers", "type": None, "action": None},
    {"group": "Base_1", "type": None, "action": None, "iface": "net0", "comment": "of all"},
)

REFUSED: tuple[dict[str, Any], ...] = (
    *(
        {"dest": dest}
        for dest in (
            "10.0.0.5/24",
            "fd00::1/64",
            "10.0.0.0/33",
            "fd00::/129",
            "10.0.0.9-10.0.0.1",
            "fd00::9-fd00::1",
            "10.0.0.1-fd00::1",
            "10.0.0.1-10.0.0.5-10.0.0.9",
            "10.0.0.1-10.0.0.9,10.1.0.0/16",
            "10.1.0.1,10.0.0.1-10.0.0.9",
            "10.0.0.1,fd00::1",
            "10.0.0.1,",
            ",10.0.0.1",
            "10.0.0.1,,10.0.0.2",
            "10.0.0.1, 10.0.0.2",
            "10.0.0.256",
            "10.0.0.0/",
            "1:2:3:4:5:6:7::",
            "::2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7::/112",
            "fd00::1,::2:3:4:5:6:7:8",
            "fe80::5%eth0",
            "+office,10.0.0.1",
            "10.0.0.1,+office",
            "router,10.0.0.1",
            "10.0.0.1,dc/router",
            "+",
            "+o",
            "+9to5",
            "+of fice",
            "+cluster/office",
            f"+{'o' * 65}",
            "r",
            "sdn/router",
            f"{'r' * 65}",
            "router.lan",
            "*",
        )
    ),
    {"source": "10.0.0.1", "dest": "fd00::1"},
    {"source": "fd00::1", "proto": "icmp"},
    {"dest": "10.0.0.1", "proto": "icmpv6"},
    {"dest": "10.0.0.1", "proto": "ipv6-icmp"},
    *({"port": port} for port in ("22", "ssh")),
    *(
        {**_PORTS, "port": port}
        for port in (
            "8010:8000",
            "nosuch",
            "SSH",
            "www",
            "imap",
            "65536",
            "1:65536",
            "-1",
            "22,",
            ",22",
            "22,,80",
            "22-80",
            "22:",
            ":22",
            "1:2:3",
            "ssh:80",
            f"{_FIFTEEN},16",
            "1:2,3:4,5:6,7:8,9:10,11:12,13:14,15:16",
            "echo-request",
            "http://x",
        )
    ),
    *({"proto": proto, "port": "22"} for proto in ("esp", "gre", "47", "ip", "1", "58")),
    {"proto": "1", "port": "echo-request"},
    {"proto": "58", "port": "128"},
    {"proto": "icmp", "port": "no-such-type"},
    {"proto": "icmp", "port": "echo-request,8"},
    *({"macro": macro} for macro in ("SHH", "xyzzy")),
    *({"iface": iface} for iface in ("eth0", "vmbr0", "net")),
    {"source_port": "22"},
    *({"proto": proto, "source_port": "22"} for proto in ("icmp", "esp", "1")),
    *({**_PORTS, "source_port": port} for port in ("8010:8000", "echo-request", "22,", f"{_FIFTEEN},16")),
    *({"proto": proto, "icmp_type": "echo-request"} for proto in ("tcp", "1", "58")),
    {"icmp_type": "echo-request"},
    {"proto": "icmp", "icmp_type": "8"},
    {"proto": "icmp", "icmp_type": "no-route"},
    {"proto": "icmpv6", "icmp_type": "any"},
    {"proto": "icmp", "port": "8", "icmp_type": "echo-request"},
    *({"group": group, "type": None, "action": None} for group in ("g", "9to5", "web servers", "web.servers")),
    *({"proto": proto} for proto in ("nosuch", "tcp/udp", "tcp,udp", "256", "06", "-1", "icmpv4", "all")),
)

READ_OTHERWISE: tuple[dict[str, Any], ...] = (
    *({"source": source} for source in ("10.0.0", "10", "010.0.0.1", "10.0.0.5/255.255.255.0", "10.0.0.0/24.5")),
    *({"source": source} for source in ("10.0.0.1-11", "10.0.0.0/25-10.0.1.0/25", "fd00::/08", "0")),
    *({"comment": comment} for comment in ("0", "-")),
    *({"macro": "SSH", "proto": "tcp", **more} for more in ({}, {"port": "22"}, {"source_port": "1024:65535"})),
)
"""What Proxmox takes and reads otherwise than it looks, or writes down without: it is refused here all the same."""


def unchecked(rule: dict[str, Any]) -> FirewallRule:
    """A rule as it would be declared, whether or not loading takes it."""
    parts: dict[str, Any] = {"type": "in", "action": "ACCEPT"} | {key: str(value) for key, value in rule.items()}
    if group := parts.pop("group", None):
        parts |= {"type": "group", "action": group}
    return FirewallRule(**parts)
