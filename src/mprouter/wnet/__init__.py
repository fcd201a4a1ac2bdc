r"""The Windows Networking functions under their own names: winnetwk.h for Python.

    from mprouter import wnet

    wanted = wnet.NETRESOURCE(dwType=wnet.RESOURCETYPE_DISK, lpLocalName="Z:", lpRemoteName=r"\\files\projects")
    wnet.WNetAddConnection2(wanted)
    wnet.WNetGetConnection("Z:")

They return values and raise ``WNetError``, whose ``winerror`` is the documented status. ``wnet.mpr`` has them as C
programs see them, with buffers and sizes. docs/wnet.md has a table of all functions, flags and statuses.
"""

from mprouter.status import Status as Status
from mprouter.status import WNetError as WNetError
from mprouter.wnet.connections import *
from mprouter.wnet.constants import *
from mprouter.wnet.dialogs import *
from mprouter.wnet.enumeration import *
from mprouter.wnet.errors import *
from mprouter.wnet.networks import *
from mprouter.wnet.structures import *
