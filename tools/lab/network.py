"""Containers that talk: a network namespace for each, all on one bridge in a namespace of its own. The machine's own network is
not touched.

    net = Network(ws)
    web = net.container("web", labels={"app": "web"})      # its address: web.address
    web.start()
"""
import json

from .containers import quiet


class Network:
    def __init__(self, ws, prefix="10.213.7"):
        self.ws, self.prefix, self.count = ws, prefix, 1
        self.switch = self._netns("switch")
        self._ip("link", "add", "br0", "type", "bridge", netns=self.switch)
        self._ip("addr", "add", f"{prefix}.1/24", "dev", "br0", netns=self.switch)
        self._ip("link", "set", "br0", "up", netns=self.switch)

    def _ip(self, *arguments, netns=None):
        return quiet("ip", *(["-n", netns] if netns else []), *arguments)

    def _netns(self, label):
        name = f"{self.ws.name}-{label}"
        quiet("ip", "netns", "add", name)
        self.ws.defer(quiet, "ip", "netns", "del", name)
        self._ip("link", "set", "lo", "up", netns=name)
        return name

    def namespace(self):
        """A namespace with an address on the bridge: (its name, the address)."""
        self.count += 1
        number, address = self.count, f"{self.prefix}.{self.count}"
        name = self._netns(f"n{number}")
        self._ip("link", "add", f"v{number}", "type", "veth", "peer", "name", "eth0", "netns", name, netns=self.switch)
        self._ip("link", "set", f"v{number}", "master", "br0", "up", netns=self.switch)
        self._ip("addr", "add", f"{address}/24", "dev", "eth0", netns=name)
        self._ip("addr", "add", f"fd13:7::{number:x}/64", "dev", "eth0", "nodad", netns=name)
        self._ip("link", "set", "eth0", "up", netns=name)
        self._ip("route", "add", "default", "via", f"{self.prefix}.1", netns=name)
        return name, address

    def container(self, label, labels=None, namespace="default", ports=None, netns=None, annotations=None, edit=None, **options):
        """A container of its own namespace (or `netns`: (name, address) of another's)."""
        where, address = netns or self.namespace()
        notes = {f"bulkhead.io/label.{k}": v for k, v in (labels or {}).items()}
        notes["bulkhead.io/namespace"] = namespace
        notes.update({f"bulkhead.io/port.{k}": str(v) for k, v in (ports or {}).items()})
        notes.update(annotations or {})

        def change(spec):
            for ns in spec["linux"]["namespaces"]:
                if ns["type"] == "network":
                    ns["path"] = f"/run/netns/{where}"
            if edit:
                edit(spec)

        made = self.ws.container(label, annotations=notes, edit=change, **options)
        made.address, made.netns = address, (where, address)
        made.address6 = f"fd13:7::{int(address.rsplit('.', 1)[1]):x}"
        return made


def policy(name, namespace="default", mode="enforce", **spec):
    """A NetworkPolicy as YAML (which JSON is)."""
    return json.dumps({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
                       "metadata": {"name": name, "namespace": namespace, "annotations": {"bulkhead.io/mode": mode}}, "spec": spec})
