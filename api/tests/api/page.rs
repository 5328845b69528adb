//! The page: its files, and what browsers are told of them.

use crate::service::Service;

#[tokio::test(flavor = "multi_thread")]
async fn the_page_asks_nobody_else() {
    let service = Service::start().await;
    let page = service.get_with("/", &[]).await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert_eq!(page.header("referrer-policy"), "no-referrer");

    let quoted = |text: &str| text.split(['"', '\'']).map(str::to_owned).collect::<Vec<_>>();
    let mut paths: Vec<String> = quoted(&page.text).into_iter().filter(|text| text.starts_with("/assets/")).collect();
    let script = service.get_with("/assets/page.js", &[]).await.text;
    let modules = quoted(&script).into_iter().filter(|text| text.starts_with("./") && text.ends_with(".js"));
    paths.extend(modules.map(|module| module.replacen('.', "/assets", 1)));
    paths.sort_unstable();
    paths.dedup();
    assert!(paths.len() >= 6, "{paths:?}");
    let mut texts = vec![page.text.clone()];
    for path in &paths {
        let asset = service.get_with(path, &[]).await;
        assert_eq!(asset.status, 200, "{path}");
        let tag = asset.header("etag").to_owned();
        assert_eq!(service.get_with(path, &[("if-none-match", &tag)]).await.status, 304);
        texts.push(asset.text);
    }
    for text in texts {
        for elsewhere in ["https://", "//cdn", "@import", "eval("] {
            assert!(!text.contains(elsewhere), "a file of the page mentions {elsewhere}");
        }
        let addresses = text.matches("http://").count();
        assert_eq!(addresses, text.matches("http://www.w3.org/").count(), "only names of XML may look like addresses");
    }
    assert!(!page.text.contains("<style") && !page.text.contains("onclick"), "the policy forbids what is inline");
}
