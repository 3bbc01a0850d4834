"""What service managers read about kadrd: two units for systemd, an agent for launchd. Texts only: writes and starts nothing.

systemd/ and launchd/ of the repository are what PACKAGED gives (a test compares them). Not in the units, and why:
ProtectSystem, ProtectHome, PrivateTmp, ProtectKernel*, PrivateNetwork: a user's manager makes a user namespace for them, which
  many systems forbid, and then the service does not start; the worker, which reads strange files, cages itself.
MemoryDenyWriteExecute: OpenVINO compiles models to machine code at run time.
IOSchedulingClass=idle, CPUSchedulingPolicy=idle: answers would wait for everybody; the worker lowers itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

SERVICE, SOCKET, LABEL = "kadrd.service", "kadrd.socket", "org.kadr.kadrd"
AGENT = f"{LABEL}.plist"
PACKAGED = ("/usr/bin/kadrd", "run")
# Exit codes that a restart cannot mend: usage, another daemon runs, settings or models (kadrd.__main__).
HOPELESS = (2, 64, 75, 78)

_SERVICE = """\
[Unit]
Description=kadr, which finds pictures by what they show
Requires=kadrd.socket
After=kadrd.socket
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
{environment}# A damaged catalogue is made anew before anybody is answered.
TimeoutStartSec=1h
TimeoutStopSec=30
WatchdogSec=120
Restart=on-failure
RestartSec=1
RestartPreventExitStatus={hopeless}
KillMode=mixed
OOMPolicy=continue
OOMScoreAdjust=500
Nice=5
CPUWeight=20
IOWeight=20
IOSchedulingClass=best-effort
IOSchedulingPriority=7
MemoryHigh=40%
MemoryMax=70%
LimitCORE=0
UMask=0077

# No network: sockets of this machine only. The home stays writable: tags are written on pictures.
RestrictAddressFamilies=AF_UNIX
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
# With these the worker cages itself further.
SystemCallFilter=landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp
SystemCallErrorNumber=EPERM

[Install]
WantedBy=default.target
"""

_SOCKET = """\
[Unit]
Description=the door of kadr, which finds pictures by what they show

[Socket]
ListenStream=%t/kadr/kadr.sock
SocketMode=0600
DirectoryMode=0700
Backlog=128
FileDescriptorName=kadr

[Install]
WantedBy=sockets.target
"""

_AGENT = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key><string>{label}</string>
  <key>ProgramArguments</key>
  <array>{command}</array>
  <key>RunAtLoad</key><true/>
  <key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>
  <key>ThrottleInterval</key><integer>10</integer>
  <key>ExitTimeOut</key><integer>30</integer>
  <!-- Not Background, which would slow answers down; the worker lowers itself. -->
  <key>ProcessType</key><string>Standard</string>
  <!-- 0077 -->
  <key>Umask</key><integer>63</integer>
  <key>LimitLoadToSessionType</key><array><string>Aqua</string><string>Background</string></array>
  <!-- Pictures that lie in iCloud only are not fetched to look at them. -->
  <key>MaterializeDatalessFiles</key><false/>
{own}</dict>
</plist>
"""

# An agent for all users of a Mac cannot name a place in each one's home: there clients find the daemon's own socket.
_OWN = """\
  <key>StandardErrorPath</key><string>{log}</string>
  <key>Sockets</key>
  <dict>
    <key>Listener</key>
    <dict>
      <key>SockFamily</key><string>Unix</string>
      <key>SockType</key><string>stream</string>
      <key>SockPathName</key><string>{socket}</string>
      <!-- 0600 -->
      <key>SockPathMode</key><integer>384</integer>
    </dict>
  </dict>
"""


class Own(NamedTuple):
    """Where a user's own agent keeps things: absolute paths."""

    socket: str
    log: str


def systemd(command: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """The units by file name, for a daemon that *command* starts with *environment* beside the manager's."""
    lines = "".join(f"Environment={_word(f'{name}={value}')}\n" for name, value in environment.items())
    if set(command[0]) & set("$\"'\\"):  # systemd takes no program with these in its name
        command = ["/usr/bin/env", *command]
    program, *words = command
    service = _SERVICE.format(
        command=" ".join([_word(program), *(_word(word.replace("$", "$$")) for word in words)]),
        environment=lines,
        hopeless=" ".join(map(str, HOPELESS)),
    )
    return {SERVICE: service, SOCKET: _SOCKET}


def launchd(command: Sequence[str], own: Own | None) -> dict[str, str]:
    """The agent by its file name; *own* where it is one user's."""
    words = "".join(f"<string>{escape(word)}</string>" for word in command)
    places = _OWN.format(socket=escape(own.socket), log=escape(own.log)) if own else ""
    return {AGENT: _AGENT.format(label=LABEL, command=words, own=places)}


def _word(text: str) -> str:
    """One word of a unit's line, as systemd.syntax(7) quotes it: % begins a specifier, $ a variable in commands only."""
    text = text.replace("%", "%%")
    if text and all(c.isalnum() or c in "/._-=+:,@%$" for c in text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
