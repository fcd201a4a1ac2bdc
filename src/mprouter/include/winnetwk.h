/* winnetwk.h: the part of npapi.h that sources for Windows ask for by this name. The WNet functions are not here. */
#include "npapi.h"
