"""The doctor: looks at everything that connections need, says what is wrong, and mends what can be mended safely.

``examination.py`` runs the checks, so that none can crash or hang it; the other files have the checks, one file per
subject. What a provider needs is checked by the provider. How it is shown is the command's business.
"""

from mprouter.doctor.examination import Checked, Examination, examine

__all__ = ["Checked", "Examination", "examine"]
