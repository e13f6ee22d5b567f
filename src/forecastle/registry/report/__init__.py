"""The report of a model: one page of HTML that needs nothing but itself.

No script, no style of an element's own, no address: the page may be mailed, archived and served under the strictest
content security policy. Pictures are drawn here, as SVG.
"""

from forecastle.registry.report.page import CONTENT_SECURITY_POLICY, render
from forecastle.registry.report.subject import Subject, gather

__all__ = ["CONTENT_SECURITY_POLICY", "Subject", "gather", "render"]
