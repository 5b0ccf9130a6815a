# 日本語。{ } 内はデータから入る値です。名前は変えず、自然な位置に置いてください。

-locale = ja
-percent = #,##0%
-money = ¤#,##0
-money-JPY = #,##0円
-money-USD = $#,##0
-date = y年M月d日

# What the language calls itself.
language-name = 日本語

list-facts = ；
list-beside = { $one }；{ $other }
list-joint = 、

## 判定・分類・単位

amount = { AMOUNT($n) }
signed = { SIGNED($n) }
share = { $n }

band-red = 赤
band-yellow = 黄
band-green = 緑
band-unknown = 不明

family-engagement = 利用頻度
family-adoption = 活用度
family-support = サポート
family-sentiment = 満足度
family-commercial = 契約
family-relationship = 関係
family-onboarding = 導入
family-context = 属性

unit-things = { $n }件
unit-word = { $n }{ $unit }
unit-users = { $n }人
unit-people = { $n }人
unit-contacts = { $n }人
unit-champions = { $n }人
unit-admins = { $n }人
unit-accounts = { $n }社
unit-seats = { $n }席
unit-days = { $n }日
unit-hours = { $n }時間
unit-weeks = { $n }週間
unit-months = { $n }か月
unit-years = { $n }年
unit-events = { $n }回
unit-logins = { $n }回
unit-sessions = { $n }回
unit-touchpoints = { $n }回
unit-times = { $n }回
unit-tickets = { $n }件
unit-invoices = { $n }件
unit-surveys = { $n }件
unit-milestones = { $n }件
unit-addons = { $n }件
unit-add-ons = { $n }件
unit-renewals = { $n }回
unit-opportunities = { $n }件
unit-features = { $n }機能
unit-points = { $n }点
unit-ratio = { $n }倍
unit-units = { $n }

## 理由：指標の値を文にする

reason-window =
    { $n ->
        [0] 過去{ AMOUNT($days) }間、{ $now }
       *[other] 過去{ AMOUNT($days) }間の{ $now }
    }
reason-window-before =
    { $n ->
        [0] 過去{ AMOUNT($days) }間、{ $now }
       *[other] 過去{ AMOUNT($days) }間の{ $now }
    }（その前の{ AMOUNT($days) }間は{ AMOUNT($before) }）
reason-window-before-share =
    { $n ->
        [0] 過去{ AMOUNT($days) }間、{ $now }
       *[other] 過去{ AMOUNT($days) }間の{ $now }
    }（その前の{ AMOUNT($days) }間は{ AMOUNT($before) }、{ SIGNED($change) }）
reason-window-since =
    { $n ->
        [0] 過去{ AMOUNT($days) }間、{ $now }
       *[other] 過去{ AMOUNT($days) }間の{ $now }
    }（{ $on }時点では{ AMOUNT($before) }）
reason-window-typical =
    { $n ->
        [0] 過去{ AMOUNT($days) }間、{ $now }
       *[other] 過去{ AMOUNT($days) }間の{ $now }
    }（類似顧客は{ AMOUNT($typical) }）
reason-window-more = 過去{ AMOUNT($days) }間の{ $now }で、類似顧客の{ $share }より多い
reason-window-less =
    { $n ->
        [0] 過去{ AMOUNT($days) }間、{ $now }
       *[other] 過去{ AMOUNT($days) }間の{ $now }で、類似顧客の{ $share }より少ない
    }
reason-window-peak = 過去{ AMOUNT($days) }間の{ $now }（過去1年の最高は{ AMOUNT($peak) }）
reason-window-gone = 過去{ AMOUNT($days) }間、{ $now }（その前の{ AMOUNT($days) }間はあり）
reason-state = { $now }
reason-state-since = { $now }（{ $on }時点では{ AMOUNT($before) }）
reason-state-ago = { $now }（{ AMOUNT($days) }前は{ AMOUNT($before) }）
reason-state-ago-share = { $now }（{ AMOUNT($days) }前は{ AMOUNT($before) }、{ SIGNED($change) }）
reason-state-typical = { $now }（類似顧客は{ AMOUNT($typical) }）
reason-state-more = { $now }で、類似顧客の{ $share }より多い
reason-state-less = { $now }で、類似顧客の{ $share }より少ない
reason-word = { $label }：{ $word }
reason-yes = { $label }：あり
reason-no = { $label }：なし
reason-absent = { $label }のデータなし
reason-other-signals = その他の要因の合計：{ SIGNED($points) }ポイント

now-other = { $label }は{ AMOUNT($n) }
now-of = { $label }は{ $whole }のうち{ $n }

compare-average = 低リスク層の平均は{ AMOUNT($low) }、高リスク層の平均は{ AMOUNT($high) }。
compare-some = 1以上の割合は、低リスク層で{ $low }、高リスク層で{ $high }。

## 指標

m-events =
    .label = 利用回数
    .meaning = 過去{ $w }日間の利用イベント数。
    .now =
        { $n ->
            [0] 利用なし
           *[other] 利用は{ AMOUNT($n) }
        }
m-active_days =
    .label = 利用日数
    .meaning = 過去{ $w }日間にイベントがあった日数。
    .now =
        { $n ->
            [0] 利用した日なし
           *[other] 利用日数は{ AMOUNT($n) }
        }
m-active_day_rate =
    .label = 利用日率
    .meaning = 過去{ $w }日間のうち観測できた日数に対する利用日数の割合。
    .now =
        { $n ->
            [0] 利用なし
           *[other] 利用日の割合は{ $n }
        }
    .window-more = 過去{ AMOUNT($days) }間の{ $now }で、類似顧客の{ $share }より高い
    .window-less = 過去{ AMOUNT($days) }間の{ $now }で、類似顧客の{ $share }より低い
m-active_users =
    .label = アクティブユーザー数
    .meaning = 過去{ $w }日間にイベントがあったユーザー数。
    .now =
        { $n ->
            [0] アクティブユーザーなし
           *[other] アクティブユーザーは{ AMOUNT($n) }
        }
m-events_per_user =
    .label = ユーザーあたりの利用回数
    .meaning = 過去{ $w }日間のイベント数÷アクティブユーザー数。
    .now = ユーザー1人あたりの利用は{ AMOUNT($n) }
m-stickiness =
    .label = 1日あたりの利用者の割合
    .meaning = 過去{ $w }日間の観測可能日における1日平均利用者数÷アクティブユーザー数。
    .now = アクティブユーザーのうち1日に利用する割合は平均{ $n }
    .window-more = 過去{ AMOUNT($days) }間の{ $now }で、類似顧客の{ $share }より高い
    .window-less = 過去{ AMOUNT($days) }間の{ $now }で、類似顧客の{ $share }より低い
m-weekday_share =
    .label = 平日利用の割合
    .meaning = 過去{ $w }日間のイベントのうち月曜から金曜の割合。
    .now = 利用に占める平日の割合は{ $n }
m-longest_silence =
    .label = 最長の未利用期間
    .meaning = 過去{ $w }日間の観測可能日のうち、連続して利用がなかった最長日数。
    .now =
        { $n ->
            [0] 利用のない日なし
           *[other] 最長の未利用期間は{ AMOUNT($n) }
        }
    .window-more = 過去{ AMOUNT($days) }間の{ $now }で、類似顧客の{ $share }より長い
    .window-less = 過去{ AMOUNT($days) }間の{ $now }で、類似顧客の{ $share }より短い
m-days_since_last_event =
    .label = 最終利用からの日数
    .meaning = 最後に確認されたイベントから基準日までの日数。
    .now = 最終利用から{ AMOUNT($n) }経過
    .state-more = { $now }（類似顧客の{ $share }より長い）
    .state-less = { $now }（類似顧客の{ $share }より短い）
    .absent = 利用実績なし
m-silence_in_usual_gaps =
    .label = 開始以来の通常間隔に対する未利用期間
    .meaning = 最終利用からの日数÷基準日までの平均利用間隔。
    .now = 利用の空白が通常の{ $n }倍
    .state = 利用の空白が通常の{ $n }倍に
    .state-since = 利用の空白が通常の{ $n }倍に
    .state-previous = 利用の空白が通常の{ $n }倍に
    .state-typical = 利用の空白が通常の{ $n }倍に
    .state-more = 利用の空白が通常の{ $n }倍に
m-mean_gap_days =
    .label = 通常の利用間隔
    .meaning = 基準日までの利用日から次の利用日までの平均日数。
    .now = 通常の利用間隔は{ AMOUNT($n) }
m-lifetime_active_day_rate =
    .label = 開始以来の利用日の割合
    .meaning = 基準日までの利用日数÷観測できた利用期間の日数。
    .now = 開始以来の利用日の割合は{ $n }
m-lifetime_events_per_day =
    .label = 開始以来の1日あたりの利用
    .meaning = 基準日までの全イベント数÷観測できた利用期間の日数。
    .now = 開始以来の利用は1日あたり{ $n }回
m-revenue_to_date =
    .label = 累計の支払額
    .meaning = 各契約のMRR×基準日までの契約月数（1か月=30.4375日）の合計。
    .now = これまでの支払額は{ $n }
m-silence_ratio =
    .label = 通常間隔に対する未利用期間
    .meaning = 最終利用からの日数÷過去{ $w }日間の平均利用間隔。
    .now = 利用の空白が通常の{ $n }倍
    .window = 利用の空白が通常の{ $n }倍に
    .window-since = 利用の空白が通常の{ $n }倍に（{ $on }時点では{ $before }倍）
    .window-before = 利用の空白が通常の{ $n }倍に
    .window-typical = 利用の空白が通常の{ $n }倍に
    .window-more = 利用の空白が通常の{ $n }倍に
    .window-less = 利用の空白は通常の{ $n }倍
m-active_weeks =
    .label = 利用週数
    .meaning = 基準日から遡った過去{ $w }日間の各週のうち、イベントがあった週の数。
    .now = 利用は{ $n }週
    .window = 過去{ AMOUNT($weeks) }のうち利用があったのは{ $n }週
    .window-before = 過去{ AMOUNT($weeks) }のうち利用があったのは{ $n }週（その前の{ AMOUNT($weeks) }は{ $before }週）
    .window-since = 過去{ AMOUNT($weeks) }のうち利用があったのは{ $n }週（{ $on }時点では{ $before }週）
    .window-typical = 過去{ AMOUNT($weeks) }のうち利用があったのは{ $n }週（類似顧客は{ $typical }週）
    .window-more = 過去{ AMOUNT($weeks) }のうち利用があったのは{ $n }週で、類似顧客の{ $share }より多い
    .window-less = 過去{ AMOUNT($weeks) }のうち利用があったのは{ $n }週で、類似顧客の{ $share }より少ない
m-users_gained =
    .label = 新規利用者数
    .meaning = 過去{ $w }日間に利用し、その前の{ $w }日間には利用しなかったユーザー数。
    .now =
        { $n ->
            [0] 新規利用者なし
           *[other] 新規利用者は{ AMOUNT($n) }
        }
m-users_lost =
    .label = 利用停止ユーザー数
    .meaning = その前の{ $w }日間に利用し、過去{ $w }日間には利用しなかったユーザー数。
    .now =
        { $n ->
            [0] 利用を停止したユーザーなし
           *[other] 利用停止ユーザーは{ AMOUNT($n) }
        }
m-logins =
    .label = ログイン回数
    .meaning = 過去{ $w }日間のログイン回数。
    .now =
        { $n ->
            [0] ログインなし
           *[other] ログインは{ AMOUNT($n) }
        }
m-login_rate =
    .label = ログイン率
    .now = ログイン率は{ $n }
    .window-more = 過去{ AMOUNT($days) }間の{ $now }で、類似顧客の{ $share }より高い
    .window-less = 過去{ AMOUNT($days) }間の{ $now }で、類似顧客の{ $share }より低い
m-days_since_last_login =
    .label = 最終ログインからの日数
    .meaning = 最後のログインから基準日までの日数。
    .now = 最終ログインから{ AMOUNT($n) }経過
    .state-more = { $now }（類似顧客の{ $share }より長い）
    .state-less = { $now }（類似顧客の{ $share }より短い）
    .absent = ログイン実績なし
m-events_of =
    .label = { $kind }の利用回数
    .meaning = 過去{ $w }日間の「{ $kind }」の回数。
    .now =
        { $n ->
            [0] { $kind }の利用なし
           *[other] { $kind }の利用は{ AMOUNT($n) }
        }
    .window-gone = { $kind }の利用がなくなった（過去{ AMOUNT($days) }間は0回）
m-share_of =
    .label = { $kind }の割合
    .meaning = 過去{ $w }日間の全イベントに占める「{ $kind }」の割合。
    .now = 利用に占める{ $kind }の割合は{ $n }
    .window-more = 過去{ AMOUNT($days) }間の{ $now }で、類似顧客の{ $share }より高い
    .window-less = 過去{ AMOUNT($days) }間の{ $now }で、類似顧客の{ $share }より低い
m-value_of =
    .label = { $kind }の値の合計
    .meaning = 過去{ $w }日間の「{ $kind }」の値の合計。
    .now = { $kind }の値の合計は{ $n }
m-features_used =
    .label = 利用機能数
    .meaning = 過去{ $w }日間に使われた機能（イベント種別）の数。
    .now =
        { $n ->
            [0] 利用なし
           *[other] 利用は{ AMOUNT($n) }
        }
m-core_feature_share =
    .label = コア機能の利用率
    .meaning = 過去{ $w }日間に使われたコア機能数÷コア機能の総数。
    .now =
        { $n ->
            [0] コア機能の利用なし
           *[other] コア機能の利用率は{ $n }
        }
    .now-of =
        { $n ->
            [0] コア機能の利用なし
           *[other] コア機能の利用は{ $whole }機能中{ $n }機能
        }
    .window-more = 過去{ AMOUNT($days) }間の{ $now }で、類似顧客の{ $share }より高い
    .window-less = 過去{ AMOUNT($days) }間の{ $now }で、類似顧客の{ $share }より低い
m-features_gained =
    .label = 新たに使われた機能数
    .meaning = 過去{ $w }日間に使われ、その前の{ $w }日間には使われなかった機能の数。
    .now =
        { $n ->
            [0] 新たに使われた機能なし
           *[other] 新規利用は{ AMOUNT($n) }
        }
m-features_lost =
    .label = 使われなくなった機能数
    .meaning = その前の{ $w }日間に使われ、過去{ $w }日間には使われなかった機能の数。
    .now =
        { $n ->
            [0] 使われなくなった機能なし
           *[other] 利用停止は{ AMOUNT($n) }
        }
m-seat_activation =
    .label = ライセンス有効化率
    .meaning = これまでに利用したユーザー数÷契約シート数。席の引き継ぎがあるため100%を上限とする。
    .now =
        { $n ->
            [0] 有効化されたライセンスなし
           *[other] ライセンス有効化率は{ $n }
        }
    .now-of = 有効化されたライセンスは{ $whole }席中{ $n }席
    .state-more = { $now }で、類似顧客の{ $share }より高い
    .state-less = { $now }で、類似顧客の{ $share }より低い
m-former_user_share =
    .label = 離脱ユーザー率
    .meaning = これまでに利用したユーザーのうち、過去{ $w }日間に利用のないユーザーの割合。
    .now = これまでの利用者のうち利用のない人は{ $n }
    .window = これまでの利用者のうち、過去{ AMOUNT($days) }間に利用のない人は{ $n }
    .window-since = これまでの利用者のうち、過去{ AMOUNT($days) }間に利用のない人は{ $n }（{ $on }時点では{ $before }）
    .window-typical = これまでの利用者のうち、過去{ AMOUNT($days) }間に利用のない人は{ $n }（類似顧客は{ $typical }）
    .window-more = これまでの利用者のうち、過去{ AMOUNT($days) }間に利用のない人は{ $n }で、類似顧客の{ $share }より多い
    .window-less = これまでの利用者のうち、過去{ AMOUNT($days) }間に利用のない人は{ $n }で、類似顧客の{ $share }より少ない
m-seat_utilisation =
    .label = シート利用率
    .meaning = 過去{ $w }日間のアクティブユーザー数÷契約シート数。
    .now =
        { $n ->
            [0] 利用中のシートなし
           *[other] シート利用率は{ $n }
        }
    .now-of = 利用中のシートは{ $whole }席中{ $n }席
    .window-more = 過去{ AMOUNT($days) }間の{ $now }で、類似顧客の{ $share }より高い
    .window-less = 過去{ AMOUNT($days) }間の{ $now }で、類似顧客の{ $share }より低い
m-events_per_seat =
    .label = シートあたりの利用回数
    .meaning = 過去{ $w }日間のイベント数÷契約シート数。
    .now = 1席あたりの利用は{ AMOUNT($n) }
m-tickets_opened =
    .label = 新規問い合わせ件数
    .meaning = 過去{ $w }日間に起票されたチケット数。
    .now =
        { $n ->
            [0] 新規の問い合わせなし
           *[other] 新規の問い合わせは{ AMOUNT($n) }
        }
m-tickets_open =
    .label = 未解決の問い合わせ件数
    .meaning = 基準日時点で未解決（または再開済み）のチケット数。
    .now =
        { $n ->
            [0] 未解決の問い合わせなし
           *[other] 未解決の問い合わせは{ AMOUNT($n) }
        }
m-oldest_open_ticket_days =
    .label = 最も古い未解決の問い合わせの経過日数
    .meaning = 最も古い未解決チケットの起票からの日数。
    .now = 最も古い未解決の問い合わせは受付から{ AMOUNT($n) }経過
    .state-more = { $now }（類似顧客の{ $share }より長い）
    .state-less = { $now }（類似顧客の{ $share }より短い）
m-urgent_ticket_share =
    .label = 緊急の問い合わせの割合
    .meaning = 過去{ $w }日間の新規チケットのうち優先度が高・緊急の割合。
    .now =
        { $n ->
            [0] 緊急の問い合わせなし
           *[other] 緊急の問い合わせの割合は{ $n }
        }
    .now-of =
        { $n ->
            [0] 緊急の問い合わせなし
           *[other] 緊急の問い合わせは{ $whole }件中{ $n }件
        }
    .window-more = 過去{ AMOUNT($days) }間の{ $now }で、類似顧客の{ $share }より高い
    .window-less = 過去{ AMOUNT($days) }間の{ $now }で、類似顧客の{ $share }より低い
m-first_response_hours =
    .label = 初回応答時間
    .meaning = 過去{ $w }日間に初回応答したチケットの平均初回応答時間。
    .now = 初回応答は平均{ AMOUNT($n) }後
    .window-more = 過去{ AMOUNT($days) }間の{ $now }で、類似顧客の{ $share }より遅い
    .window-less = 過去{ AMOUNT($days) }間の{ $now }で、類似顧客の{ $share }より早い
m-resolution_hours =
    .label = 解決時間
    .meaning = 過去{ $w }日間に解決したチケットの平均解決時間。
    .now = 解決までの時間は平均{ AMOUNT($n) }
    .window-more = 過去{ AMOUNT($days) }間の{ $now }で、類似顧客の{ $share }より長い
    .window-less = 過去{ AMOUNT($days) }間の{ $now }で、類似顧客の{ $share }より短い
m-ticket_resolution_rate =
    .label = 問い合わせ解決率
    .meaning = 過去{ $w }日間の新規チケットのうち基準日までに解決した割合。
    .now =
        { $n ->
            [0] 解決した問い合わせなし
           *[other] 問い合わせの解決率は{ $n }
        }
    .now-of =
        { $n ->
            [0] 解決した問い合わせなし（{ $whole }件中）
           *[other] 問い合わせの解決は{ $whole }件中{ $n }件
        }
    .window-more = 過去{ AMOUNT($days) }間の{ $now }で、類似顧客の{ $share }より高い
    .window-less = 過去{ AMOUNT($days) }間の{ $now }で、類似顧客の{ $share }より低い
m-tickets_reopened =
    .label = 再開した問い合わせ件数
    .meaning = 過去{ $w }日間に再開されたチケット数。
    .now =
        { $n ->
            [0] 問い合わせの再開なし
           *[other] 問い合わせの再開は{ AMOUNT($n) }
        }
m-tickets_escalated =
    .label = エスカレーション件数
    .meaning = 過去{ $w }日間にエスカレーションされたチケット数。
    .now =
        { $n ->
            [0] エスカレーションなし
           *[other] エスカレーションは{ AMOUNT($n) }
        }
m-csat =
    .label = サポート満足度（1〜5）
    .meaning = 過去{ $w }日間に回答されたサポート満足度の平均（1〜5）。
    .now = サポート満足度は5点中{ $n }点
    .window-more = 過去{ AMOUNT($days) }間の{ $now }で、類似顧客の{ $share }より高い
    .window-less = 過去{ AMOUNT($days) }間の{ $now }で、類似顧客の{ $share }より低い
m-nps_last =
    .label = 直近のNPS回答（0〜10）
    .meaning = 直近のNPS回答の点数（同時刻に複数あれば平均）。
    .now = 直近のNPS回答は10点中{ $n }点
    .state-previous = { $now }（その前は{ $before }点）
    .state-more = { $now }で、類似顧客の{ $share }より高い
    .state-less = { $now }で、類似顧客の{ $share }より低い
m-nps_age_days =
    .label = 直近のNPS回答からの日数
    .meaning = 直近のNPS回答から基準日までの日数。
    .now = 直近のNPS回答から{ AMOUNT($n) }経過
    .state-more = { $now }（類似顧客の{ $share }より長い）
    .state-less = { $now }（類似顧客の{ $share }より短い）
m-nps_change =
    .label = NPSの変化
    .meaning = 直近のNPS回答−その前の回答。
    .now = NPS回答は前回比{ SIGNED($n) }
m-survey_response_rate =
    .label = アンケート回答率
    .meaning = 過去{ $w }日間に送付したアンケートのうち基準日までに回答された割合。
    .now =
        { $n ->
            [0] アンケートの回答なし
           *[other] アンケートの回答率は{ $n }
        }
    .window-more = 過去{ AMOUNT($days) }間の{ $now }で、類似顧客の{ $share }より高い
    .window-less = 過去{ AMOUNT($days) }間の{ $now }で、類似顧客の{ $share }より低い
m-survey_silence_days =
    .label = アンケート未回答日数
    .meaning = 最後のアンケート回答からの日数（未回答なら最初の送付からの日数）。
    .now = アンケートへの回答が{ AMOUNT($n) }間なし
    .state-more = { $now }（類似顧客の{ $share }より長い）
    .state-less = 最後のアンケート回答から{ AMOUNT($n) }経過（類似顧客の{ $share }より短い）
m-tenure_days =
    .label = 利用期間
    .meaning = 最初の記録から基準日までの日数。
    .now = 利用開始から{ AMOUNT($n) }
    .state-more = { $now }（類似顧客の{ $share }より長い）
    .state-less = { $now }（類似顧客の{ $share }より短い）
m-plan =
    .label = プラン
    .meaning = 基準日前日に有効な主契約のプラン。
m-mrr =
    .label = MRR（月次経常収益）
    .meaning = 基準日前日に有効な契約の月次経常収益。
    .now = 月額は{ $n }
    .state-more = 月額は{ $n }で、類似顧客の{ $share }より高い
    .state-less = 月額は{ $n }で、類似顧客の{ $share }より低い
m-seats =
    .label = 契約シート数
    .meaning = 基準日前日に有効なプランの契約シート数。
    .now = 契約シートは{ AMOUNT($n) }
m-mrr_per_seat =
    .label = シートあたりMRR
    .meaning = MRR÷契約シート数。
    .now = 1席あたりの月額は{ $n }
    .state-more = 1席あたりの月額は{ $n }で、類似顧客の{ $share }より高い
    .state-less = 1席あたりの月額は{ $n }で、類似顧客の{ $share }より低い
m-discount_rate =
    .label = 割引率
    .meaning = 主契約の定価に対する割引率。
    .now =
        { $n ->
            [0] 割引なし
           *[other] 割引率は{ $n }
        }
    .state-more = { $now }で、類似顧客の{ $share }より高い
    .state-less = { $now }で、類似顧客の{ $share }より低い
m-billing_period_months =
    .label = 請求期間
    .meaning = 主契約の一括請求月数。
    .now =
        { $n ->
            [1] 毎月請求
            [12] 年払い
           *[other] { AMOUNT($n) }ごとの請求
        }
    .state-more = { $now }
    .state-less = { $now }
    .state-typical = { $now }
m-auto_renew =
    .label = 自動更新
    .meaning = 主契約が自動更新なら1、そうでなければ0。
    .yes = 自動更新の契約
    .no = 自動更新ではない契約
m-addons =
    .label = アドオン数
    .meaning = 基準日前日に有効なアドオン契約の数。
    .now =
        { $n ->
            [0] アドオンなし
           *[other] アドオンは{ AMOUNT($n) }
        }
m-term_days =
    .label = 契約期間
    .meaning = 主契約の現契約期間の長さ。
    .now = 契約期間は{ AMOUNT($n) }
    .state-more = { $now }（類似顧客の{ $share }より長い）
    .state-less = { $now }（類似顧客の{ $share }より短い）
m-days_into_term =
    .label = 契約開始からの日数
    .meaning = 主契約の現契約開始から基準日までの日数。
    .now = 契約開始から{ AMOUNT($n) }
    .state-more = { $now }
    .state-less = { $now }
    .state-typical = { $now }
m-days_to_renewal =
    .label = 契約更新までの日数
    .meaning = 基準日から有効なプランの次の満了日までの日数。
    .now =
        { $n ->
            [0] 本日が契約更新日
           *[other] 契約更新まで{ AMOUNT($n) }
        }
    .late = 契約更新日を{ AMOUNT($n) }超過
    .state-more = { $now }
    .state-less = { $now }
    .state-typical = { $now }
m-renewals_so_far =
    .label = これまでの更新回数
    .meaning = 基準日前に開始したプラン契約数（初回を除く）。
    .now =
        { $n ->
            [0] 更新はまだなし
           *[other] これまでの更新は{ AMOUNT($n) }
        }
m-mrr_change =
    .label = MRR
    .meaning = { $w }日前と比べたMRRの変化率。
m-seats_change =
    .label = 契約シート数
    .meaning = { $w }日前と比べた契約シート数の変化率。
m-price_change =
    .label = シート単価
    .meaning = { $w }日前と比べたシートあたりMRRの変化率。
    .state-ago = シート単価は月額{ $n }（{ AMOUNT($days) }前は{ $before }）
    .state-ago-share = シート単価は月額{ $n }（{ AMOUNT($days) }前は{ $before }、{ SIGNED($change) }）
m-events_per_mrr =
    .label = MRRあたりの利用回数
    .meaning = 過去{ $w }日間のイベント数÷MRR。
    .now = MRRあたりの利用は{ AMOUNT($n) }
m-invoices_overdue =
    .label = 延滞請求書数
    .meaning = 支払期日を過ぎて未払いの請求書の数。
    .now =
        { $n ->
            [0] 支払い遅延なし
           *[other] 支払いが遅れている請求書は{ AMOUNT($n) }
        }
    .state-more = { $now }
    .state-less = { $now }
m-overdue_amount =
    .label = 延滞金額
    .meaning = 支払期日を過ぎて未払いの請求額の合計。
    .now =
        { $n ->
            [0] 延滞なし
           *[other] 延滞金額は{ $n }
        }
m-oldest_overdue_days =
    .label = 最長延滞日数
    .meaning = 最も古い延滞請求書の支払期日からの日数。
    .now = 最も古い未払い請求書は期日を{ AMOUNT($n) }超過
m-payment_delay_days =
    .label = 支払遅延日数
    .meaning = 過去{ $w }日間に支払われた請求書の期日から支払いまでの平均日数（負は期日前）。
    .now = 支払いは期日の{ AMOUNT($n) }後
    .late = 支払いは期日の約{ AMOUNT($n) }後
    .early = 支払いは期日の約{ AMOUNT($n) }前
    .punctual = 支払いは期日どおり
    .most-late = 多くは約{ AMOUNT($n) }後
    .most-early = 多くは約{ AMOUNT($n) }前
    .most-punctual = 多くは期日どおり
    .window = 過去{ AMOUNT($days) }間の{ $now }
    .window-typical = 過去{ AMOUNT($days) }間の{ $now }（{ $most }）
    .window-since = 過去{ AMOUNT($days) }間の{ $now }（{ $on }時点では{ $most }）
    .window-before = 過去{ AMOUNT($days) }間の{ $now }（その前の{ AMOUNT($days) }間は{ $most }）
    .was-late = 約{ AMOUNT($n) }後
    .was-early = 約{ AMOUNT($n) }前
    .was-punctual = 期日どおり
m-opportunities_open =
    .label = 進行中の商談数
    .meaning = 基準日時点で進行中の商談数。
    .now =
        { $n ->
            [0] 進行中の商談なし
           *[other] 進行中の商談は{ AMOUNT($n) }
        }
m-opportunities_won =
    .label = 受注した商談数
    .meaning = 過去{ $w }日間に受注した商談数。
    .now =
        { $n ->
            [0] 受注なし
           *[other] 商談の受注は{ AMOUNT($n) }
        }
m-opportunities_lost =
    .label = 失注した商談数
    .meaning = 過去{ $w }日間に失注した商談数。
    .now =
        { $n ->
            [0] 失注なし
           *[other] 商談の失注は{ AMOUNT($n) }
        }
m-contacts_active =
    .label = 有効な担当者数
    .meaning = 基準日時点で在任中の担当者数。
    .now =
        { $n ->
            [0] 担当者なし
           *[other] 先方の担当者は{ AMOUNT($n) }
        }
m-champions_active =
    .label = 在任中の推進担当者・スポンサー数
    .meaning = 基準日時点で在任中の推進者・後援者の数。
    .now =
        { $n ->
            [0] 推進担当者・スポンサーが不在
           *[other] 推進担当者・スポンサーは{ AMOUNT($n) }
        }
    .state-since =
        { $n ->
            [0] 最後の推進担当者・スポンサーが離任（{ $on }時点では{ AMOUNT($before) }）
           *[other] 推進担当者・スポンサーは{ AMOUNT($n) }（{ $on }時点では{ AMOUNT($before) }）
        }
    .state-less =
        { $n ->
            [0] 推進担当者・スポンサーが不在
           *[other] 推進担当者・スポンサーは{ AMOUNT($n) }で、類似顧客の{ $share }より少ない
        }
    .state-typical = { $now }（類似顧客は{ AMOUNT($typical) }）
m-champions_left =
    .label = 離任した推進担当者・スポンサー数
    .meaning = 過去{ $w }日間に離任した推進者・後援者の数。
    .now =
        { $n ->
            [0] 推進担当者・スポンサーの離任なし
           *[other] 推進担当者・スポンサーの離任は{ AMOUNT($n) }
        }
m-admins_left =
    .label = 離任した管理者数
    .meaning = 過去{ $w }日間に離任した管理者の数。
    .now =
        { $n ->
            [0] 管理者の離任なし
           *[other] 管理者の離任は{ AMOUNT($n) }
        }
m-touchpoints_inbound =
    .label = 顧客からの接点数
    .meaning = 過去{ $w }日間の顧客からの接点数。
    .now =
        { $n ->
            [0] 顧客からの連絡なし
           *[other] 顧客からの連絡は{ AMOUNT($n) }
        }
m-touchpoints_outbound =
    .label = 自社からの接点数
    .meaning = 過去{ $w }日間の自社からの接点数。
    .now =
        { $n ->
            [0] 自社からの連絡なし
           *[other] 自社からの連絡は{ AMOUNT($n) }
        }
m-days_since_last_touchpoint =
    .label = 最終接点からの日数
    .meaning = 最後の接点から基準日までの日数。
    .now = 最終接点から{ AMOUNT($n) }経過
    .state-more = { $now }（類似顧客の{ $share }より長い）
    .state-less = { $now }（類似顧客の{ $share }より短い）
m-campaign_response_rate =
    .label = 施策反応率
    .meaning = 過去{ $w }日間に配信した施策の受信者のうち、開封・クリック・返信した割合。
    .now =
        { $n ->
            [0] 施策への反応なし
           *[other] 施策反応率は{ $n }
        }
    .window-more = 過去{ AMOUNT($days) }間の{ $now }で、類似顧客の{ $share }より高い
    .window-less =
        { $n ->
            [0] 過去{ AMOUNT($days) }間、{ $now }
           *[other] 過去{ AMOUNT($days) }間の{ $now }で、類似顧客の{ $share }より低い
        }
m-milestones_done =
    .label = 達成済みマイルストーン数
    .meaning = 基準日までに達成されたマイルストーン数。
    .now =
        { $n ->
            [0] 達成したマイルストーンなし
           *[other] 達成したマイルストーンは{ AMOUNT($n) }
        }
m-milestones_overdue =
    .label = 期限超過マイルストーン数
    .meaning = 期限を過ぎても未達成のマイルストーン数。
    .now =
        { $n ->
            [0] 期限超過のマイルストーンなし
           *[other] 期限を過ぎたマイルストーンは{ AMOUNT($n) }
        }
m-onboarding_completion =
    .label = オンボーディング完了率
    .meaning = 基準日までに計画された導入マイルストーンの達成率。
    .now =
        { $n ->
            [0] オンボーディング未着手
           *[other] オンボーディング完了率は{ $n }
        }
    .state-more = { $now }で、類似顧客の{ $share }より高い
    .state-less = { $now }で、類似顧客の{ $share }より低い
m-days_to_first_value =
    .label = 初回成果までの日数
    .meaning = 最初の記録から最初の価値マイルストーン達成までの日数。
    .now = 初回の成果まで{ AMOUNT($n) }
    .state-more = { $now }（類似顧客の{ $share }より遅い）
    .state-less = { $now }（類似顧客の{ $share }より早い）
    .absent = 初回の成果にまだ到達していない
m-days_since_last_milestone =
    .label = 最終マイルストーンからの日数
    .meaning = 最後に達成したマイルストーンから基準日までの日数。
    .now = 最後のマイルストーン達成から{ AMOUNT($n) }経過
    .state-more = { $now }（類似顧客の{ $share }より長い）
    .state-less = { $now }（類似顧客の{ $share }より短い）
    .absent = マイルストーンの達成がまだない
m-attribute =
    .label = { $kind }
    .meaning = 基準日前に確認された最新のアカウント属性「{ $name }」。

## Features: what those without an entry above are called, and what a missing value means

m-cohort_month =
    .label = 開始月
    .meaning = 最初の記録の月（2000年1月からの月数）。
m-gap_variation =
    .label = 利用間隔のばらつき
    .meaning = 基準日までの利用間隔の標準偏差÷平均。
m-lifetime_value =
    .label = 開始以来のイベントの値の合計
    .meaning = 基準日までの全イベントの値の合計。
m-lifetime_value_per_event =
    .label = 開始以来のイベントあたりの値
    .meaning = 基準日までの全イベントの値の合計÷イベント数。

missing-no_day_seen = 期間内に観測できた日がない
missing-never = 欠損なし
missing-no_plan_under = 基準日に有効なプラン契約なし、または契約終了日なし
missing-no_plan_under_contract = 基準日に有効なプラン契約なし、または割引なし
missing-window_before_not = 前の期間を十分に観測できない
missing-no_seats_under = 契約シートなし
missing-nobody_ever_active = 利用者の記録なし
missing-no_invoice_overdue = 支払期限を過ぎた請求なし
missing-no_invoice_paid = 期間内に支払われた請求なし
missing-no_plan_under_contract_as_of = 基準日に有効なプラン契約なし
missing-nothing_known_account = 基準日より前の情報なし
missing-terms_run_but = 契約はあるがMRRの記載なし（契約がなければ0）
missing-plans_run_but = 契約はあるがシート数の記載なし（契約がなければ0）
missing-terms_known_but = 契約はあるがMRRの記載なし（契約がなければ0）
missing-account_no_mrr = { $w }日前にMRRなし
missing-account_no_seats = { $w }日前に契約シートなし
missing-no_price_per = 両日のシート単価が揃わない
missing-account_has_no_mrr = MRRなし
missing-account_attribute_not = 基準日より前に属性の情報なし
missing-nobody_active_window = 期間内に利用者なし
missing-no_event_window = 期間内に利用なし
missing-no_event_known = 利用記録なし
missing-no_event_known_no = 利用記録なし、または利用日なし
missing-no_login_known = ログイン記録なし
missing-no_day_account = 観測できた利用期間なし
missing-fewer_than_2 = 利用日が2日未満
missing-fewer_than_3 = 利用日が3日未満
missing-no_milestone_planned = 予定されたマイルストーンなし
missing-no_onboarding_milestone = 予定された導入マイルストーンなし
missing-no_value_milestone = 価値実感のマイルストーンが未達成
missing-no_milestone_reached = 達成済みのマイルストーンなし
missing-no_touchpoint_known = 接点の記録なし
missing-no_campaign_delivered = 期間内に配信されたキャンペーンなし
missing-no_nps_answer = NPS回答なし
missing-fewer_than_two = NPS回答が2件未満
missing-no_survey_sent = 期間内に送付されたアンケートなし
missing-no_survey_known = アンケートの記録なし
missing-no_ticket_opened = 期間内に新しい問い合わせなし
missing-no_ticket_open = 未解決の問い合わせなし
missing-no_ticket_got = 期間内に初回回答のあった問い合わせなし
missing-no_ticket_solved = 期間内に解決した問い合わせなし
missing-no_satisfaction_given = 期間内に満足度の回答なし
missing-both_windows_0 = 両期間とも0、または前の期間を観測できない
missing-fewer_than_4 = 12週のうち観測できた週が4週未満、またはすべて0
missing-fewer_than_5 = 同じ基準日の対象が5件未満、または元の値なし
missing-no_window_wholly = 十分に観測できた期間がない、またはピークが0
feature-trend =
    .label = { $of }の増減
    .meaning = { $of }:（過去{ $w }日間−その前の{ $w }日間）÷両者の合計（−1から1）。
feature-slope =
    .label = { $of }の12週間の傾き
    .meaning = { $of }（週次）:過去12週のうち観測可能な週の回帰直線の傾き÷平均。
feature-from_peak =
    .label = { $of }のピークからの減少率
    .meaning = { $of }:1−過去{ $w }日間÷過去364日間の{ $w }日ごとの最大値。
feature-percentile =
    .label = 同類顧客内での{ $of }の順位
    .meaning = 同一基準日の同類顧客のうち{ $of }が自社より低い割合（同値は半分）。
    .over = 同一基準日の同類顧客のうち{ $of }（過去{ $days }日間）が自社より低い割合（同値は半分）。
missing-trend = 両期間とも0、または前の期間を観測できない
missing-slope = 12週のうち観測できた週が4週未満、またはすべて0
missing-from_peak = 十分に観測できた期間がない、またはピークが0
missing-percentile = 同じ基準日の対象が{ $least }件未満、または元の値なし
off-not_asked = `features.extra`で指定しない限り使いません
off-no_table = テーブル`{ $table }`がありません
off-no_columns = `{ $table }`に{ $columns }がありません
attribute-industry = 業種
attribute-country = 国
attribute-segment = セグメント
attribute-plan = プラン
attribute-owner = 担当者
attribute-touch_model = タッチモデル
attribute-phase = フェーズ
attribute-employees = 従業員数
attribute-csm_sentiment = CSMの所感
missing-user = 関数が値を返さなかった

## 確認すべき事実

fact-notice = 解約通知あり
fact-invoice_overdue = 支払いが遅れている請求書が{ AMOUNT($n) }
fact-champion_left = 過去{ AMOUNT($days) }間に推進担当者・スポンサー{ AMOUNT($n) }が離任
fact-admin_left = 過去{ AMOUNT($days) }間に管理者{ AMOUNT($n) }が離任
fact-silence = { AMOUNT($n) }間利用なし
fact-contract_end =
    { $n ->
        [0] 本日が契約満了日（自動更新なし）
       *[other] 契約満了まで{ AMOUNT($n) }（自動更新なし）
    }

## 要約

summary-none-kept = この時点の理由は保存されていません。
summary-unreadable = この時点の理由は別のバージョンで保存されたため表示できません。次回のスコア計算で新しく作成されます。
summary-model = { AMOUNT($days) }以内の解約確率は{ $chance }（平均の{ $times }倍）。
summary-model-reason = { AMOUNT($days) }以内の解約確率は{ $chance }（平均の{ $times }倍）。リスクと最も関連が強い事実：{ $reason }。
summary-rules = ルールのみによる判定：{ $band }。
summary-rules-reason = ルールのみによる判定：{ $band }。リスクと最も関連が強い事実：{ $reason }。
summary-rule = ルールのみによる判定：{ $band }、解約確率{ $chance }（モデルではなくルールによる）。
summary-rule-reason = ルールのみによる判定：{ $band }、解約確率{ $chance }（モデルではなくルールによる）。リスクと最も関連が強い事実：{ $reason }。
summary-target = { AMOUNT($days) }以内の{ $target }確率は{ $chance }（平均の{ $times }倍）。
summary-target-reason = { AMOUNT($days) }以内の{ $target }確率は{ $chance }（平均の{ $times }倍）。最も関連が強い事実：{ $reason }。
summary-target-rule = { AMOUNT($days) }以内の{ $target }確率は{ $chance }（平均の{ $times }倍）、モデルではなくルールによる。
summary-target-rule-reason = { AMOUNT($days) }以内の{ $target }確率は{ $chance }（平均の{ $times }倍）、モデルではなくルールによる。最も関連が強い事実：{ $reason }。

target-churn = 解約
target-expansion = 契約拡大
target-contraction = 契約縮小

## スコアの注記

departed-ended = { $on }に契約が終了しました。表示は{ $as_of }時点の最終スコアで、以後更新されません。
departed-notice = { $on }に解約通知がありました。表示は{ $as_of }時点の最終スコアで、以後更新されません。
departed-silent = { $on }以降、利用がありません。表示は{ $as_of }時点の最終スコアで、以後更新されません。
departed-left = この顧客は現在のスコア算出対象に含まれていません。表示は{ $as_of }時点の最終スコアで、以後更新されません。
overridden = { $author }が{ $until }まで区分を「{ $band }」に設定（スコア上は「{ $system }」）：{ $reason }

## これまでの出来事

event-term-began = { $product }の契約期間が開始
event-term-began-seats = { $product }の契約期間が開始（{ AMOUNT($seats) }）
event-ticket-opened = 問い合わせ
event-ticket-opened-urgent = 緊急の問い合わせ
event-ticket-escalated = 問い合わせがエスカレーション
event-ticket-reopened = 問い合わせが再開
event-survey = { $survey }の回答：{ $score }
event-left-champion = 推進担当者が離任
event-left-sponsor = スポンサーが離任
event-left-admin = 管理者が離任
event-left-contact = 先方の担当者が離任
event-touch-call-in = 顧客からの電話
event-touch-call-out = 顧客への電話
event-touch-email-in = 顧客からのメール
event-touch-email-out = 顧客へのメール
event-touch-chat-in = 顧客からのチャット
event-touch-chat-out = 顧客へのチャット
event-touch-meeting = 顧客との打ち合わせ
event-touch-other-in = 顧客からの連絡
event-touch-other-out = 顧客への連絡
event-invoice-unpaid = 請求書が期日までに未払い
event-milestone = 達成：{ $name }
event-milestone-unnamed = マイルストーンを達成

## Alerts: what a rule has found on an account

alert-notice_given = 解約通知あり
alert-champion_left = 推進担当者・スポンサー{ AMOUNT($n) }が離任
alert-silence = { AMOUNT($n) }間利用なし
alert-usage_collapse = 利用が直前の4週間に比べて{ AMOUNT($n) }減少
alert-band_drop = 判定の悪化が2回連続（ヘルススコア{ AMOUNT($n) }）
alert-score_fall = ヘルススコアが30日以内に{ AMOUNT($before) }から{ AMOUNT($n) }に低下
alert-renewal_near = 契約満了まで{ AMOUNT($n) }、判定は緑ではない
alert-invoice_overdue = 支払いが遅れている請求書が{ AMOUNT($n) }
alert-nps_detractor = 直近のNPS回答は10点中{ AMOUNT($n) }点
alert-onboarding_stalled = 導入の進捗が{ AMOUNT($n) }間なし
alert-score_unknown = スコアを出すための情報が不足
alert-score_stale = スコアの根拠が減少：重みの{ AMOUNT($n) }（以前は{ AMOUNT($before) }）
alert-expansion_chance = 契約席数の{ AMOUNT($n) }を利用中、判定は緑
alert-own = { $title }

## Questions of churnml init

init-ask-timezone = { $tool } の時刻のうちタイムゾーンのないもの（例：{ $file }）は、どのタイムゾーンですか。
init-ask-date_order = { $tool } の日付（例：{ $file }）で先に来るのは月と日のどちらですか。
init-ask-format = { $file } の { $column } の日付の形式はどれですか：{ $options }
init-ask-inclusive = { $file } の { $column } は、契約対象外となる最初の日（exclusive）ですか、対象となる最後の日（inclusive）ですか。
init-why-unreadable = 開けません：{ $said }
init-why-beside = { $known } です。ほかのテーブルの補助として読むか、使いません
init-why-no_row = { $known } ですが、対象になる行がありません（削除・テスト・下書きの行のみ）
init-why-same = { $known } です。同じ記録については { $better } のほうが詳しいため、そちらを使います
init-why-twice = { $known } です。{ $other } と同じく { $table } になるため、両方を使うと二重に数えられます。こちらのほうが揃っている場合は入れ替えてください
init-why-preset = { $known } のようですが、プリセットに合いません：{ $said }
init-why-empty = 行がありません
init-why-no_table = 列がどの標準テーブルにも当てはまりません
init-why-lacking = { $table } のようですが、{ $columns } に当たる列がありません
init-why-fits_better = { $table } のようですが、{ $other } のほうが適しています
init-look-format = { $column }：{ $raw } は { $options } のいずれとしても読めます（例：{ $examples }）
init-look-units = { $column }：{ $raw }の単位は1つではありません（{ $units }）。一部だけが席数なら { $written } と、ほかの行がそれだけでは契約とみなさない追加商品なら { $addon } とも書いてください
init-look-no_end = 契約終了日に当たる列がありません。解約されるまで契約が続くものとして扱います
init-look-inclusive = { $column }：{ $raw } は月末が多く、契約に含まれる最終日かもしれません。{ $column } は契約に含まれない最初の日です。最終日の場合は { $written } と書いてください
init-look-outcome = { $column }：{ $raw } は { $words } と読みます。ほかの値は進行中の商談として扱います
init-look-nothing = 契約や利用状況に当たるファイルがありません。少なくともどちらかがないと予測できません
init-look-silence = 契約に当たるファイルがないため、silence_days の間利用がない顧客を解約とみなします
init-look-no_usage = 製品の利用状況に当たるファイルがありません。モデルは契約などの情報だけを使います

## Pulls: what fetching from a tool came to

pull-calls = { $source }：呼び出し { $n } 回（本日 { $today } / { $most } 回）
pull-next = 次の取得は { $at } 以降が目安です。今回の続きから再開します。
pull-stopped-budget = 途中で終了：1日の呼び出し上限 { $n } 回に達しました。
pull-stopped-limit = 途中で終了：ツール側の上限に達しました（{ $said }）。
pull-stopped-login = 途中で終了：ツールがログインを受け付けません。再接続してください（{ $said }）。
pull-stopped-silent = 途中で終了：応答がありません（{ $said }）。
pull-stopped-busy = 途中で終了：ツールが今は応答できません（{ $said }）。
pull-stopped-redirect = 途中で終了：{ $said } への転送を求められました。ログイン情報も送られるため、転送には従いません。
pull-stopped-refused = 途中で終了：ツールに拒否されました（{ $said }）。
pull-stopped-unreadable = 途中で終了：応答が JSON ではありません（{ $said }）。
pull-stopped-shape = 途中で終了：応答の形がツールの文書と異なります（{ $said }）。
pull-stopped-clear = 途中で終了：ログイン情報を暗号化せずに { $said } へ送ることはありません。https を指定してください。
pull-note-unknown = オブジェクト { $object } はありません。利用できるもの：{ $known }。
pull-note-expired = { $object }：続きの位置がツールに残っていないため（{ $said }）、すべて取得し直します。
pull-note-locator = { $object }：ページの途中で位置が失われたため、{ $since } から検索を続けました。
pull-note-left-out = { $object } は対象外です（{ $said }）。
pull-note-fields = { $object }：1回の要求に収まらないため、{ $n } 項目を除きました。
pull-note-new-columns = { $object }：新しい列 { $columns }。
pull-note-gone-columns = { $object }：送られなくなった列 { $columns }。

## Deliveries: a step of a playbook as a task

deliver-task_due = 期日
deliver-task_done = { $day }に{ $by }が完了しました。{ $said }
deliver-task_skipped = { $day }に{ $by }が見送りました。理由: { $said }
deliver-task_cancelled = アラートが終わったため、不要になりました。
deliver-task_waiting = 他の手順を待っています。

## 配信: タスク・カード・メールに書くアラート

deliver-subject = { $account }: { $why }
deliver-health = ヘルススコア
deliver-score = { AMOUNT($n) }（{ $band }）
deliver-probability = 解約確率
deliver-renewal = 契約終了まで
deliver-loss = 回避できる損失
deliver-due = 対応期限
deliver-day = { $day }
deliver-owner = 担当: { $owner }
deliver-open = 顧客ページを開く
deliver-digest_subject = 未対応アラート{ $n }件（{ $day }）
deliver-digest = { $day }時点で{ $n }件のアラートが対応待ちです（回避できる損失の大きい順）。

## 日次実行

daily-subject_done = { $config }: { $day }の日次実行は正常に終了しました
daily-subject_failed = { $config }: { $day }の日次実行が失敗しました
daily-unforeseen = その段階だけを実行して詳細を確認し、報告してください。
daily-not_accepted = 受理されませんでした
daily-well = すべての段階が正常に終了しました。
daily-failed_at = 失敗した段階: { $stages }。
daily-still_served = 直近の正常なスコアを「古い」と表示したまま提供しています。
daily-where = 直近の実行は churnml daily list CONFIG で確認できます。
daily-stage_done = 完了（{ $seconds }秒）
daily-stage_rows = { NUMBER($rows) }件（{ $seconds }秒）
daily-stage_unchanged = 変更なし
daily-stage_not_due = 実行時期ではありません
daily-stage_running = 実行中
daily-stage_killed = 途中でプロセスが終了
daily-stage_failed = 失敗: { $what }
daily-stage_skipped = { $stages }が必要なため省略
daily-missed = { $day }の日次実行は{ $stages }で失敗し、スコアを公開していません。表示中は直近の正常なスコアです。
daily-late = 日次実行が遅れています。前回の開始は{ $hours }時間前です。

## ヘルススコアの制約

health-rules_only = モデルが検証基準を満たさないため、ルールのみで算出
health-another_target = モデルの予測対象が解約ではないため、ルールのみで算出
health-no_model_score = この顧客のモデルスコアがないため、ルールのみで算出
health-model_red_cap = モデルが赤の水準と判定したため、判定は黄色を上限とする
health-far_cap = 更新まで{ $days }日を超えており、同じように更新が遠い顧客の中で解約の可能性が高いため、判定は黄色を上限とする
health-low_coverage = データがある項目は重みの{ $share }のみで、判定には不足
health-stale = { $measure }は{ AMOUNT($days) }より古いため除外

## ヘルススコアの指標

measure-login_frequency = ログイン頻度
measure-core_feature_use = 主要機能の利用
measure-ticket_volume = 問い合わせ件数
measure-ticket_resolution = 問い合わせ解決率
measure-nps = NPS回答
measure-csat = サポート満足度
measure-time_to_renewal = 契約更新までの期間
measure-active_users = 席の利用率
measure-active_days = 利用日数
measure-usage_trend = 利用の増減
measure-recency = 最終利用からの日数
measure-activation = ライセンス有効化率
measure-oldest_ticket = 最も古い未解決の問い合わせ
measure-overdue = 支払い遅延
measure-contract_growth = 契約金額の増減
measure-champion = 推進担当者・スポンサーの離任
measure-contact = 最終接点からの日数
measure-onboarding = オンボーディング完了率
measure-churn_model = 解約モデルのリスク

## 設定

role-csm = CSM
    .can = 顧客を閲覧し、タスク・メモ・判定の変更を行えます。
role-manager = マネージャー
    .can = すべての顧客を閲覧し、タスク・メモ・判定の変更と担当の割り当てを行えます。
role-data_scientist = データサイエンティスト
    .can = すべての顧客を閲覧し、メモとフィードバックを書けます。
role-admin = 管理者
    .can = 上記すべてと設定の変更を行えます。
severity-low = 低
severity-medium = 中
severity-high = 高
severity-critical = 緊急
settings-people = 利用者
settings-person = 利用者
settings-keys = APIキー
settings-rules = ルールとプレイブック
settings-names = 表示名
settings-deliveries = 配信
settings-audit = 監査ログ
settings-done-added = 追加しました。下でサインイン用リンクを作成してください。
settings-done-changed = 保存しました。
settings-done-signed_out = すべての端末からサインアウトしました。
settings-done-disabled = アクセスを停止しました。
settings-done-enabled = アクセスを再開しました。
settings-done-revoked = キーを取り消しました。
settings-done-resent = 次回の配信で送信されます。
settings-fault-users_email = メールアドレスの形式が正しくありません。
settings-fault-users_known = このアドレスはすでに登録されています。
settings-fault-users_name = 名前は1〜200文字で入力してください。
settings-fault-users_owner = 担当者IDは255文字以内で入力してください。
settings-fault-users_disabled = アクセスが停止されています。先に再開してください。
settings-fault-mail_failed = リンクは作成されましたが、メールを送信できませんでした（理由はログにあります）。もう一度作成し、ご自身で送ってください。
settings-fault-own_role = 自分自身の権限は変更できません。別の管理者に依頼してください。
settings-fault-key = キーには名前と、1〜{ $days }日の有効期間が必要です。
settings-fault-keys_no_scope = キーに許可する操作を選んでください。
settings-email = メールアドレス
settings-name = 名前
settings-role = 役割
settings-owner = 顧客の担当者ID
settings-as_browser = ブラウザーの設定に従う
settings-add_person = 利用者を追加
settings-add = 追加
settings-add_note = 担当者IDは、顧客データに記録されている担当者です。自分の顧客一覧に使われます。
settings-seen = 最終利用
settings-disabled = 停止中
settings-not_signed_in = サインインしていません
settings-nobody = まだ誰も登録されていません。まず自分を管理者として追加してください。
settings-unclaimed = 利用者が割り当てられていない担当者
settings-unclaimed_note = この担当者の顧客は、誰の一覧にも表示されません。
settings-accounts = 顧客数
settings-link = サインイン用リンク
settings-link_note = 1回だけ使えます（{ $until }まで）。再表示はできません。
settings-mailed = { $email } に送信しました。
settings-save = 保存
settings-access = アクセス
settings-disabled_since = { $on }から停止しています。
settings-enable = アクセスを再開
settings-disable = アクセスを停止
settings-invite = サインイン用リンクを作成
settings-sign_out = すべての端末からサインアウト
settings-sessions = セッション
settings-since = 開始
settings-until = 期限
settings-by = 方法
settings-by-link = リンク
settings-by-oidc = 会社のアカウント
settings-secret = 新しいキー
settings-secret_note = 控えておいてください。再表示はできません。
settings-make_key = キーを作成
settings-key_for = 用途
settings-scopes = 許可する操作
settings-scope-read = 閲覧
settings-scope-score = スコア計算
settings-scope-write = 書き込み
settings-scope-admin = すべて
settings-days = 有効日数
settings-id = ID
settings-state = 状態
settings-revoke = 取り消す
settings-revoked = 取り消し済み
settings-expired = 期限切れ
settings-no_keys = キーはまだありません。
settings-api = APIの内容
settings-rules_note = ルールとプレイブックは設定ファイルに書かれています。ここでは、有効な内容とその結果を確認できます。
settings-alert_rules = アラートのルール
settings-alerts_off = アラートは無効です。
settings-evaluated = { $on }時点のスコア計算で作成された件数です。
settings-never_evaluated = ルールはまだ一度も適用されていません。
settings-budget = 担当者ごとの新しいアラートは週{ $n }件までです。
settings-rule = ルール
settings-threshold = しきい値
settings-severity = 緊急度
settings-due_hours = 対応期限（時間）
settings-answers = 対応者
settings-opened = 作成されたアラート
settings-tasks = 開始されたタスク
settings-held_back = 保留
settings-off = 無効
settings-try = 変更を試す
settings-try_note = ルール、上限、プレイブックを変えた場合に最新のスコアで何が作成されるかを、適用前に確認できます。何も保存されません。独自モジュールのルールは変わりません。
settings-try_open = 変更してプレビュー
settings-try_budget = 担当者1人あたりの週の新規アラートの上限
settings-try_more = その他のルール、変更したプレイブック
settings-try_rules_text = ルール（設定ファイルのalerts.rulesと同じYAML形式）。上の入力より優先されます
settings-try_playbooks_text = プレイブックのファイル全体（YAML）。空欄の場合は現在のもの
settings-try_it = プレビュー
settings-try_rules = 変更した設定ファイルで同じことをコマンドで確認するには：
settings-on = 有効
settings-preview = 作成されるもの
settings-preview_sum = { $on }のスコアで、すでにあるものに加えて：アラート{ $alerts }件、タスク{ $tasks }件。
settings-preview_held = ほかに{ $n }件のアラートが、担当者の週の上限に達しているため待機します。
settings-preview_not_contacted = 実験により、{ $n }件のアカウントには連絡しません。
settings-preview_closed = 原因がなくなるため、{ $n }件のアラートが終了します。
settings-preview_owners = 担当者別
settings-preview_now = 該当アカウント（現在）
settings-preview_then = 該当アカウント（変更後）
settings-preview_new = 新しいアラート
settings-preview_config = 適用するには、設定ファイルに次の内容を書きます。変更したプレイブックは専用のファイルに書きます。
settings-playbooks = プレイブック
settings-no_playbooks = 設定ファイルにプレイブックの指定がありません。
settings-steps = { $n }ステップ
settings-within_days = { $days }営業日以内
settings-names_note = 表示名は設定ファイルの次の項目に書かれています：
settings-kind-event_types = イベントの種類
settings-kind-attributes = 属性
settings-kind-features = 独自の指標
settings-kind-plans = プラン
settings-kind-segments = セグメント
settings-kind-owners = 担当者
settings-raw = データ上の名前
settings-shown_as = 表示名
settings-no_names = 表示名の設定はありません。データ上の名前がそのまま表示されます。
settings-targets = 配信先
settings-no_targets = 配信先がありません
settings-no_targets_note = 設定ファイルの deliveries に配信先（CRM、チャット、Webhook、メール、テーブル）を書いてください。
settings-outbox = 未処理の変更が{ $n }件あります：
settings-target = 配信先
settings-delivery-waiting = 待機中
settings-delivery-sending = 送信中
settings-delivery-sent = 送信済み
settings-delivery-accepted = 受理
settings-delivery-refused = 拒否
settings-delivery-unknown = 結果不明
settings-paused = 一時停止中：
settings-failures = 連続{ $n }回失敗
settings-fine = 正常
settings-dead = 配信できなかったもの
settings-no_dead = すべて配信されました。
settings-what = 対象
settings-said = 配信先の応答
settings-tried = 試行日時
settings-resend = 再送
settings-resend_all = すべて再送
settings-only_newest = 新しい順に{ $n }件だけ表示しています。
settings-action = 操作
settings-who = 実行者
settings-when = 日時
settings-subject = 対象
settings-detail = 詳細
settings-all = すべて
settings-show = 表示
settings-newer = 新しいもの
settings-older = 古いもの
settings-no_entries = 該当する変更はありません。
settings-rule-notice_given = 解約通知
settings-rule-champion_left = 推進担当者の離脱
settings-rule-silence = 利用の停止
settings-rule-usage_collapse = 利用の急減
settings-rule-band_drop = 判定の悪化
settings-rule-score_fall = ヘルススコアの低下
settings-rule-renewal_near = 契約終了の接近
settings-rule-invoice_overdue = 請求の未払い
settings-rule-nps_detractor = NPSの低評価
settings-rule-onboarding_stalled = 導入の停滞
settings-rule-score_unknown = スコア不明
settings-rule-score_stale = スコアの根拠の減少
settings-rule-expansion_chance = 拡大の機会
settings-proxy_out = ここからはサインアウトしました
    .text = このページの手前にある認証では、まだサインインしたままです。そちらも終了するには：
settings-provider_out = ここからはサインアウトしました
    .text = 会社の認証では、まだサインインしたままなので、クリックだけで戻れます。共用の端末では、そちらも終了してください：
settings-utc = 日時はUTCです。
settings-audit-users = 利用者
settings-audit-sessions = サインイン
settings-audit-keys = APIキー
settings-audit-override = 判定の変更
settings-audit-feedback = フィードバック
settings-audit-alerts = アラート
settings-audit-tasks = タスク
settings-audit-notes = メモ
settings-audit-deliveries = 配信
settings-audit-cli = コマンドライン

## Today

today-whose = 担当者
today-everybody = 全員
today-show = 表示
today-work = 対応するアカウント { $n }件
today-worth = 想定どおり連絡に効果があれば、{ $worth }を守れます
today-late = 期限超過 { $n }件
today-new_count = 月曜以降の新着 { $n }件
today-new = 新着
today-arr = ARR
today-ends = 契約終了日
today-health = ヘルス（12週間）
today-spark = 12週間のヘルス:{ $first }から{ $last }
today-due = 期限
today-owner = 担当
today-nobody = 担当なし
today-step = 次の一手:
today-called = 連絡済み
today-done = 完了
today-saved = 継続で完了
today-snooze = スヌーズ
today-until = 再表示日
today-not_a_risk = リスクなし
today-why = 理由
today-reassign = 担当変更
today-to = 新しい担当
today-nothing = 対応待ちはありません
today-nothing_more = すべてのアラートに対応済みです。まもなく終了する契約を確認しましょう。
today-nothing_mine = 担当アカウントがまだありません。管理者に担当者名の設定を依頼してください。
today-look_ahead = 90日以内に終了する契約
today-rest = ほかに{ $n }件が待っています。一度に表示するのは、価値の高い順に{ $capacity }件です。
today-in_hand = 対応中（{ $n }）
today-beside = 今週
today-moves = 今週のバンド変化
today-moves_none = 先週からバンドが変わったアカウントはありません。
today-all = すべて
today-ending = 90日以内に終了する契約（{ $n }）
today-ending_none = 90日以内に終了する契約はありません。
today-held = 待機中（{ $n }）
today-held_text = 負担が集中しないよう、週{ $capacity }件を超えるアラートはここで待機し、空きができしだい表示されます。
work-called = 連絡しました。
renewal-auto = 自動更新
renewal-manual = 更新手続きが必要
renewal-ends = 解約通知あり
done-called = { $name }:連絡済みにしました。
done-done = { $name }:完了しました。
done-snoozed = { $name }:スヌーズしました。
done-not_a_risk = { $name }:リスクなしとしました。理由の記入、ありがとうございます。
done-reassigned = { $name }:担当を変更しました。
done-undone = 元に戻しました。
done-noted = メモを保存しました。
done-judged = { $name }:判断を保存しました。
done-judgement_ended = { $name }:判断を終了し、スコアに戻しました。
done-said_wrong = ありがとうございます。モデルの担当者に伝わります。
done-skipped = 対象外にしました。
done-reopened = 再開しました。
done-assigned = 担当を割り当てました。
done-view_kept = ビューを保存しました。
done-view_dropped = ビューを削除しました。

## Accounts

accounts-search = 名前またはID
accounts-any = すべて
accounts-within = { $days }日以内
accounts-show = 表示
accounts-count = アカウント { $n }件
accounts-shown = { $first }–{ $last }件目
accounts-clear = 条件をクリア
accounts-columns = 列
accounts-views = ビュー
accounts-view_name = このビューの名前
accounts-keep_view = ビューを保存
accounts-drop_view = 削除
accounts-tick_all = このページをすべて選択
accounts-tick = { $name }を選択
accounts-assign_to = 選択したアカウントの新しい担当
accounts-assign = 割り当てる
accounts-pages = 一覧のページ
accounts-previous = 前へ
accounts-next = 次へ
accounts-page = { $page } / { $pages }ページ
accounts-none = 該当するアカウントがありません
accounts-none_text = 検索語や条件を減らしてください。名前とIDを、全角・半角や大文字・小文字を区別せずに検索します。
accounts-set_by = { $author }が設定
accounts-col-name = アカウント
accounts-col-band = バンド
accounts-col-health = ヘルス
accounts-col-change = 30日間
accounts-col-why = 理由
accounts-col-risk = 解約確率
accounts-col-arr = ARR
accounts-col-loss = 期待損失
accounts-col-owner = 担当
accounts-col-segment = セグメント
accounts-col-plan = プラン
accounts-col-phase = フェーズ
accounts-col-ends = 契約終了日
phase-onboarding = 導入
phase-adoption = 定着
phase-utilisation = 活用
phase-renewal = 契約更新

## Account

account-brief = 印刷用ブリーフ
account-back = アカウントへ戻る
# 解約の時期
account-survival = 解約の時期の見通し
account-survival_label = 契約が続いている確率：{ $months }か月後{ $half }、{ $all }か月後{ $end }
account-survival_own = 実線：この顧客（網掛けは範囲）
account-survival_peers = 破線：{ $who }
account-survival_renewal = 縦線：{ $day }の更新
account-survival_raising = 更新時のリスクを高めているもの
account-survival_worth = 今後の価値：{ $value }（{ $low }～{ $high }）。将来の粗利の合計で、先の年ほど割り引いています。
account-survival_note = 範囲は、モデルを学習し直したときに、このような顧客の確率がどれだけ動くかを示す、最小限の不確かさです。この顧客一社がどうなるかを示すものではありません。
account-survival_on = 時点
account-survival_there = 継続
account-survival_low = 下限
account-survival_high = 上限
account-survival_others = 他の顧客
account-stands = 現在の状況
account-health = ヘルススコア
account-risk = 解約確率
account-within = { $days }日以内、平均の{ $lift }倍
account-coverage = 重みの{ $share }にデータあり
account-arr = ARR
account-loss = 期待損失 { $loss }
account-ends = 契約終了日
account-owner = 担当
account-source_owner = CRMでは{ $owner }
account-segment = セグメント
account-plan = プラン
account-phase = フェーズ
account-last_contact = 最終接触
account-family = 親会社と子会社
account-part_of = 親会社：
account-together = 傘下を含めて{ $n }件：ARR { $arr }、期待損失 { $loss }
account-family_more = ほか{ $n }件
account-family_note = どの階層の顧客も1回だけ数えます。スコアは合算しません。グループのリスクは顧客の平均ではないためです。
account-next_task = 次のタスク
account-by = { $on }まで
account-judged = { $author }の判断は{ $until }まで「{ $band }」です（スコアでは「{ $system }」）。
account-changed = 変わったこと
account-changed_nothing = お知らせすべき変化はありません。
account-reasons = 理由
account-no_reasons = この日付の理由は保存されていません。
account-show_data = データを表示
account-series = { $what }（週ごと、{ $n }週間）
account-series_events = 製品の利用イベント
account-series_users = アクティブユーザー
account-series_tickets = 新規問い合わせ
account-per_week = （週ごと）
account-week_ending = 週の最終日
account-rows = 出来事
account-when = 日付
account-what = 内容
account-as_of = { $on }より前のデータに基づく
account-fact_value = このアカウント
account-fact_previous = 以前
account-fact_typical = 類似アカウントの中央値
account-fact_low = 低リスクの類似アカウント
account-fact_middle = 中リスクの類似アカウント
account-fact_high = 高リスクの類似アカウント
account-fact_percentile = これを下回る類似アカウント
account-wrong = 間違いを報告
account-wrong_why = どこが間違っていますか
account-send = 送信
account-tasks = すること
account-no_tasks = 進行中のプレイブックはありません。
account-suggested = 提案
account-closed = 終了
account-tick = 完了にする:{ $title }
account-untick = 未完了に戻す:{ $title }
account-skip = 対象外
account-skip_why = 不要な理由
account-state_waiting = 前のステップ待ち
account-state_done = 完了
account-state_skipped = 対象外
account-state_cancelled = 取り消し
account-timeline = タイムライン
account-timeline_empty = まだ記録がありません。まずメモを残しましょう。
account-everything = すべて
account-more = さらに{ $n }件を表示
account-beside = 関連情報
account-history = ヘルスの推移
account-history_label = ヘルスの推移:{ $first }から{ $last }
account-moved = 変化
account-moves = 各時点のスコアと変化の要因
account-moved_by = 日付と変化の要因
account-by_part = { $what } { $points }
account-by_facts = データ
account-by_weights = 重みの変更
account-by_model = 新しいモデル
account-by_risk = モデルが見るリスク
account-new_model = 新しいモデル：変化のうちモデルによる分は不明
account-replayed = その日の値を後から算出
account-scorecard = グループ別
account-group = グループ
account-group_score = スコア
account-group_before = { $on }
account-group_note = スコアは0～100で、100が最も健全です。グループ名の下は、モデルが見るリスクへの寄与です。
account-raises = リスクを高める
account-lowers = リスクを下げる
account-neutral = 中立
account-notes = メモ
account-note = メモを書く
account-keep = 保存
account-judgement = 自分の判断
account-judge = バンドを自分で設定
account-band = バンド
account-because = 理由
account-until = 有効期限
account-judge_note = スコアも並べて表示されます。
account-end_judgement = この判断を終了
account-what_if = もしも…
account-what_if_measure = この指標が
account-what_if_value = この値なら
account-try_it = 試す
account-what_if_result = 解約確率 { $before } → { $after }、ヘルス { $health_before } → { $health_after }。
account-what_if_note = モデルがその値と関連づけている結果であり、変えた場合の効果ではありません。
timeline-contract = 契約
timeline-support = サポート
timeline-survey = アンケート
timeline-person = 担当者
timeline-contact = 接触
timeline-score = スコア
timeline-alert = アラート
timeline-task = タスク
timeline-note = メモ
timeline-task_done = 完了:{ $title }
timeline-task_skipped = 対象外:{ $title }
timeline-judged = { $until }まで「{ $band }」と判断
timeline-band = バンドが「{ $before }」から「{ $after }」に変化
timeline-new_model = （新しいモデルに切り替え）
timeline-alert_acknowledged = アラートへの対応を開始
timeline-alert_snoozed = アラートを{ $until }までスヌーズ
timeline-alert_reopened = アラートを再開
timeline-alert_reassigned = アラートの担当を{ $owner }に変更
timeline-closed_saved = アラート終了:継続
timeline-closed_lost = アラート終了:解約
timeline-closed_false_alarm = アラート終了:誤報
timeline-closed_not_a_risk = アラート終了:リスクなし
timeline-closed_cleared = 原因がなくなり、アラートが自動終了
## APIの内容

docs-title = API
docs-keys = プログラムからはキーを使って呼び出します：
docs-send = ヘッダーで送信します：
docs-operations = 操作
docs-scope = 権限
docs-or = または
docs-no_key = キー不要
docs-takes = 入力
docs-parameters = パラメーター
docs-field = 名前
docs-place = 場所
docs-type = 型
docs-meaning = 意味
docs-needed = 必須
docs-call = 呼び出し例
docs-answer = 応答例
docs-errors = エラー
docs-objects = オブジェクト
docs-codes = エラーコード
docs-codes_note = すべてのエラーに、プログラム向けの変わらないコードが付きます。
docs-status = ステータス
docs-code = コード
docs-english = 操作と項目の説明は、OpenAPI文書と同じく英語です。
docs-list = { $of } のリスト
docs-map = { $of } を値に持つオブジェクト
docs-object = オブジェクト
docs-most_characters = { $n }文字まで
docs-default = 既定値 { $value }

## エラー：APIの各コードの意味と、フォームの誤り

problem-request-json = リクエスト本文がJSONではありません
problem-request-cursor = このカーソルのページがないか、別の検索のものです
problem-request-method = このパスでは使えないメソッドです
problem-request-timeout = 本文が時間内に届きませんでした
problem-request-too_large = 本文が上限を超えています
problem-request-media_type = 本文が application/json と宣言されていません
problem-request-invalid = リクエストの内容が、この操作で受け付けられるものではありません
problem-request-headers = ヘッダーの値が正しくありません
problem-features-unknown = モデルにない特徴量の名前です
problem-features-invalid = 特徴量の値が正しくありません
problem-batch-too_large = 一度に送れる件数を超えています
problem-auth-missing = APIキーが送られていません
problem-auth-invalid = APIキーの登録がないか、期限切れか、取り消されています
problem-auth-scope = APIキーに必要な権限がありません
problem-auth-role = サインイン中の役割では許可されていません
problem-auth-stranger = 別のところではサインインしていますが、ここには登録がないか、アクセスが停止されています
problem-auth-link = サインイン用リンクは使用済みか、期限切れか、存在しません
problem-auth-provider = 会社のサインインで本人確認ができませんでした
problem-auth-throttled = このアドレスから誤ったキーが多く送られています
problem-form-token = このセッションのページから送られたフォームではありません
problem-rate-limited = APIキーの1分あたりの上限に達しました
problem-account-unknown = スコア計算済みのスナップショットに、この顧客はありません
problem-explanation-unknown = この顧客の理由は保存されていません
problem-survival-unknown = この顧客の生存曲線は保存されていません
problem-features-unknown_account = この顧客の特徴量は保存されていません（または削除されています）
problem-override-unknown = この顧客に有効な判定の変更はありません
problem-alert-unknown = このアラートはありません
problem-alert-state = このアラートの現在の状態では、その操作はできません
problem-task-unknown = このタスクはありません
problem-task-state = このタスクの現在の状態では、その操作はできません
problem-path-unknown = このパスはありません
problem-idempotency-mismatch = この冪等キーは、以前に別のリクエストで使われています
problem-service-no_snapshot = スコアはまだ計算されていません
problem-service-no_kpis = KPIはまだ公開されていません
problem-service-no_model = モデルが読み込まれていません
problem-service-store = データベースに接続できません
problem-service-busy = データベースが他の書き込みで混み合っており、何も保存されませんでした
problem-service-connections = 接続数が上限に達しています
problem-service-timeout = 時間内に応答できませんでした
problem-service-error = サービス側の障害です。リクエストIDとともにログに記録されています
form-unknown_choice = このページにない選択肢です。ページを開き直して、もう一度選んでください。
form-tick_accounts = 担当を割り当てる顧客を先に選択してください。
form-no_alert = アラートが指定されていません。
form-one_delivery = 配信を1件、または配信先を1つ指定してください。
form-day = 日付は 2026-12-31 の形式で入力してください。
form-day_within_a_year = 日付は明日から1年以内で指定してください。
form-too_long = { $n }文字を超えている項目があります。
form-few_words = 必須の項目が入力されていません。
form-number = フォームに存在しない番号が含まれています。
form-character = フォームに使用できない文字が含まれています。

## APIのエラーの詳細

detail-store = ストアに接続できません。後でもう一度お試しください
detail-failed = サービスが失敗しました。理由はログにあります
detail-busy = ストアは他の書き込みで混み合っています。何も保存されていないので、少し後でもう一度お試しください
detail-not_json = 本文がJSONではありません：{ $why }
detail-no_json = 本文をUTF-8のJSONとして読めません
detail-half_character = 本文がUTF-8のJSONでないか、文字の片割れ（単独サロゲート）を含みます
detail-path = そのパスはありません。GET /v1/openapi.json に一覧があります
detail-method = このパスは{ $method }を受け付けません
detail-nobody = 誰もサインインしていません
detail-wrong_keys = このアドレスからの誤ったキーが多すぎます
detail-own_machine = APIキーがない場合、呼び出せるのはサービス自身のマシンだけです
detail-send_key = APIキーを送ってください：`Authorization: Bearer churnml_…`
detail-unknown_key = このAPIキーは登録されていません
detail-key =
    .revoked = APIキー{ $key }は取り消されています
    .expired = APIキー{ $key }は期限切れです
detail-media_type = 本文は Content-Type: application/json で送ってください（実際：{ $got }）
    .none = 本文は Content-Type: application/json で送ってください（指定なし）
detail-too_large = 本文は{ $n }バイトまでです
detail-closed = 本文が届く前に接続が閉じられました
detail-late_body = 本文が{ $seconds }秒以内に届きませんでした
detail-rate = このキーの要求は1分に{ $limit }件までです。次は{ $wait }秒後です
detail-late_write = 時間内に応答できませんでした。書き込みが保存されたかどうかは、同じIdempotency-Keyで送り直すと分かります
detail-no_curve = 顧客{ $account }の生存曲線は保存されていません
detail-cursor = 前のページのnext_cursorを同じ絞り込みで送ってください
detail-no_kpis = KPIはまだ公開されていません。`churnml kpis CONFIG --publish` で公開します
detail-by = by：公開されているのは{ $known }です
detail-whole = 全体のみ
detail-one_of = 次のいずれか：{ $known }
detail-at = { $where }：{ $what }
detail-scope = APIキー{ $key }には範囲 { $scopes } がありません
detail-batch = 一度に送れるのは{ $most }件までです（今回{ $n }件）
detail-features = { $account }の特徴量は保存されていません（または削除済みです）
detail-refused = { $what }（{ $where }）
    .expected = { $what }（{ $where }）。期待：{ $expected }
detail-no_feature = 特徴量{ $name }はありません。GET /v1/model に一覧があります
    .near = 特徴量{ $name }はありません。{ $near } ではありませんか
detail-no_features = { $n }個の特徴量名が不明です：{ $first }
detail-feature = { $name }：{ $fault }
detail-must_be =
    .text = 文字列またはnullが必要です（実際は数値）
    .number = 数値またはnullが必要です（実際は文字列）
    .finite = 有限の数値またはnullが必要です
detail-no_snapshot = まだ何もスコアされていません。`churnml score CONFIG` で公開します
detail-no_explanation = 顧客{ $account }の説明は保存されていません
detail-no_account = { $as_of }のスナップショットに顧客{ $account }はありません
    .near = { $as_of }のスナップショットに顧客{ $account }はありません。{ $near } ではありませんか
detail-not_yours = 顧客{ $account }は担当の中にありません

## CSMや管理者が出会うエラー

error-the =
    .alert = アラート{ $id }
    .task = タスク{ $id }
error-no =
    .alert = そのアラートはありません
    .task = そのタスクはありません
error-ids = `churnml { $what } list CONFIG` で番号を表示します。
error-alert_closed = このアラートは終了しています
    .expected = 再開（状態open）
error-alert_outcome = アラートは結果を付けて終了します
    .expected = saved、lost、false_alarm、not_a_riskのいずれか
error-alert_snooze = 保留するアラートには戻る日が必要です
    .expected = { $today }より後の日
error-task_reason = タスクを見送るには理由が必要です
    .expected = 短い言葉
error-task_state =
    .ended = 完了または見送り済みのタスク
    .open = 未完了のタスク
    .before = 先に完了または見送りが必要：{ $steps }
error-no_override = 顧客{ $account }に有効な上書きはありません
error-key_name = キーには利用者が分かる名前が必要です
    .expected = 1〜{ $most }文字、例：salesforce
    .long = { $n }文字
error-key_scope = 範囲{ $scope }はありません
error-key_no_scope = キーには範囲が必要です
error-key_time = キーには有効期間が必要です
error-no_key = APIキー{ $key }はありません
    .remedy = `churnml keys list` で番号を表示します。
error-no_person = その人はいません
error-no_address = アドレス{ $address }の人はいません
    .remedy = `churnml users list` で全員を表示し、`churnml users add` で追加します。
error-address_taken = このアドレスはすでに使われています
    .remedy = `churnml users set` で変更してください。
error-mail = メールアドレスではありません
error-name = 名前として使えません
    .expected = 1〜200文字
error-role = 役割{ $role }はありません
error-owner = 担当者として使えません
    .expected = 255文字まで
error-language = 言語{ $language }はありません
error-disabled = この人は利用を止められています
    .remedy = `churnml users enable` で再び利用できるようにします。
error-once = このIdempotency-Keyは以前、別の要求で使われています
    .remedy = 新しい要求ごとに新しいキーを使い、同じキーは送り直しだけに使ってください。
error-store_failed = ストアが失敗しました
    .remedy = ディスクの空きとデータベースサーバーを確認してください。この変更は保存されていません。
error-store_busy = ストアは他の書き込みで混み合っています。この変更は保存されていません
    .remedy = 少し後でもう一度お試しください。
error-store_url = ストアのURLが使えません
    .expected = sqlite:///path/store.dbまたはpostgresql://user:password@host/database
error-store_newer = ストアはより新しいchurnmlで作られています
    .schema = スキーマ{ $number }
    .remedy = churnmlを更新してください。スキーマを戻すことはありません。
error-store_damaged = ストアのファイルが壊れているか、SQLiteデータベースではありません
    .remedy = バックアップを置く（docs/deploy.md）か、別の場所へ移してスコアし直してください。
error-store_unopened = ストアを開けません
    .remedy = パスまたはサーバーのアドレスと、書き込みの権限を確認してください。
error-taken_over = 別のプロセスが連携を引き継ぎました
    .remedy = 続きはそちらで行われるため、対処は不要です。
error-near = { $near }ではありませんか
error-one_of = 次のいずれか：{ $names }
error-no_config = 設定ファイル{ $file }がありません
    .expected = YAMLファイル
    .remedy = 設定ファイルの場所を確認してください。`churnml init FOLDER` はお手元のデータの設定を書き、`churnml simulate FOLDER --as salesforce` は架空の会社を設定つきで作ります。
error-config_encoding = 設定がUTF-8ではありません
    .got = バイト0x{ $byte }（位置{ $at }）
    .remedy = ファイルをUTF-8で保存してください。
error-config_empty = 設定が空です
    .expected = キーの対応

## エラー：設定、データ、モデル、コマンドの誤り

fault-own_rule_built_in = 組み込みのアラートルール{ $kind }がすでにあります
    .where = アラートルール{ $kind }
    .remedy = 別の名前を付けるか、alerts.rulesで組み込みのルールを変更してください。
fault-own_rule_none = モジュール{ $name }にアラートルールがありません
    .remedy = churnml.alert_ruleで関数をデコレートしてください。
fault-own_rule_failed = 自作のアラートルールが失敗しました
    .where = アラートルール{ $kind }
    .expected = 顧客ごとに真か偽を持つSeries
    .remedy = 関数を直すか、そのモジュールをalerts.modulesから外してください。
fault-own_rule_rows = 自作のアラートルールが返した行数が違います
    .where = アラートルール{ $kind }
    .got = { $n }個の値
    .expected = 顧客{ $n }件に1つずつ
fault-playbook_twice = 同じ名前のプレイブックが2つあります
fault-step_twice = 同じキーの手順が2つあります
    .where = { $where }、手順{ $step }
fault-step_order = 前にない手順の後に置かれた手順があります
    .first = 最初の手順には`after`を付けない
    .where = { $where }、手順{ $step }
fault-no_playbook = プレイブック{ $playbook }はありません
fault-no_rule = アラートルール{ $kind }はありません
    .remedy = 自作のルールには`when`が必要です。above・below・equalsのいずれかを持つフィールドのリストです。
fault-api_unreachable = APIに接続できません：{ $error }
fault-api_answer = APIの応答（{ $status }）が正しい形ではありません
fault-champion_target = 使用中のモデルは{ $model }を予測しますが、設定は{ $asked }を求めています
    .remedy = `churnml train CONFIG`を実行し、対象ごとにmlflow.registered_modelに別の名前を付けてください。
fault-what_if_rows = What-ifには顧客1件と1つ以上の変更が必要です
    .got = { $rows }行、変更{ $changes }件
fault-what_if_context = { $name }は背景情報で、働きかけて変えることはできません
    .expected = 働きかけて変えられる、数値の特徴量
    .remedy = `churnml features list`に、働きかけられるものが示されます。
fault-no_outcome = そのような結果はありません
fault-argument_text = 引数が文字列ではありません
    .expected = { $encoding }の文字列
    .remedy = 端末、またはchurnmlを起動するスクリプトをUTF-8に設定してください。
fault-one_form = 形式は一度に1つだけです
    .got = --csvと--json
    .expected = どちらか一方
fault-kpis_later = ストアには、より後の日のKPIがすでにあります
    .where = --publish、{ $as_of }までの事実
    .remedy = 生データを最新にしてください。保存済みのKPIはそのままです。
fault-force_reason = ゲートの判定にかかわらず昇格するには、人が示す理由が必要です
    .expected = --force --reason '…'の両方を付けるか、どちらも付けない
fault-one_subject = 対象は顧客か個人のどちらか一方です
    .expected = --account IDか--contact ID
fault-one_explanation = 説明できるのは、顧客1件か全体のどちらか一方です
    .expected = ACCOUNT_IDか--overall
fault-one_report = レポートの対象は、顧客1件か全体のどちらか一方です
    .expected = ACCOUNT_IDか--portfolio
fault-no_language = そのような言語はありません
fault-demo_folder = デモには、ソースがフォルダーである設定が必要です
    .remedy = configs/demo.yamlを使ってください。
fault-no_date = 日付ではありません
fault-nothing_to_change = 変更するものがありません
    .expected = --name、--role、--owner、--langまたは--email
fault-churn_only =
    .survival = 生存曲線は解約リスクに関するものです
    .store = ストアに保存されるのは解約リスクに関するものです
    .deliveries = 配信されるのは解約リスクに関するものです
    .experiment = 実験は解約リスクに関するものです
    .alerts = アラートは解約リスクに関するものです
    .portfolio = ポートフォリオは解約リスクに関するものです
    .overall = 全顧客についての説明は解約リスクに関するものです
    .health = ヘルススコアは解約リスクに関するものです
    .service = サービスは解約リスクに関するものです
    .remedy = 対象がchurnの設定を使ってください。{ $target }については、scores.parquet、explanations.json、`churnml explain CONFIG ACCOUNT`があります。
fault-config_depth = 設定の入れ子が深すぎます
    .remedy = 自分自身を含むエイリアス（`*name`）がないか確認してください。
fault-config_secret = 設定に秘密の値が書かれています
    .expected = ${ "{" }CHURNML_SECRET{ "}" }のような環境変数の名前
    .remedy = 値を環境変数に置き、ここにはその名前を書いてください。すでに読まれた恐れがあるので、値そのものも変更してください。
fault-no_variable = 環境変数{ $name }がありません
    .remedy = 設定してください：export { $name }=…
fault-no_secret = 環境変数{ $name }がありません
    .remedy = churnmlが動く環境で設定するか（export { $name }=…）、`secrets_file`が指すファイルに書いてください。
fault-secrets_unread = 秘密のファイルを読めません
    .remedy = 1行に1つNAME=valueを書くか、このキーを消して環境変数を使ってください。
fault-secrets_open = 秘密のファイルが他の人からも読める状態です
    .got = モード{ $mode }
    .expected = モード0600
fault-secrets_line = 秘密のファイルに正しくない行があります
    .where = { $where }、{ $number }行目
fault-no_mail_entry = deliveries.emailsにその項目はありません
fault-mail = メールを送れませんでした
    .remedy = deliveries.emailsの設定を確認してください。`churnml deliver check CONFIG`でサーバーに問い合わせられます。
fault-webhook_extra = 署名付きWebhookには追加パッケージ`deliver`が必要です
    .remedy = インストールしてください：pip install "churnml[deliver]"
fault-webhook_secret = Webhookの秘密鍵を読めません
    .expected = whsec_に続くbase64
fault-duckdb_start = DuckDBを起動できませんでした
    .remedy = 設定のengine.memory_limit、engine.threadsまたはengine.optionsを直してください。
fault-spark_start = Sparkを起動できませんでした
    .remedy = SparkにはJava 17以降（JAVA_HOME）が必要です。engine.optionsの設定はSparkのものでなければなりません。
fault-no_engine = エンジン{ $backend }はありません
    .remedy = 設定のengine.backendを直してください。
fault-engine_refused = エンジン{ $backend }が接続を拒否しました
    .remedy = engine.optionsを直してください。ibis.{ $kind }.connectの引数です。
fault-engine_missing = エンジン{ $backend }がインストールされていません
    .remedy = 実行してください：pip install '{ $package }'
fault-budget = 予算が時間ではありません
    .expected = 300s、5m、1hのような、ゼロより大きい秒・分・時間
fault-optuna = チューニングに必要なパッケージoptunaがインストールされていません
fault-other_rows = { $name }がフレームの行と一致しません
    .expected = 同じ顧客と日付を、同じ順序で
fault-importance_rows = 重要度の計算には行が必要ですが、フレームが空です
fault-no_segment_column = セグメントにする列{ $segment }がありません
    .expected = フレームにある列
fault-patterns_few = パターンには解約した顧客が必要です
    .got = 顧客{ $n }件
    .expected = { $least }件以上
fault-no_playbook_file = プレイブックのファイルがありません
    .remedy = configs/playbooks.yamlをコピーしてください。
fault-no_playbooks = ファイルにプレイブックがありません
    .expected = `playbooks`の下のリスト
fault-playbooks_yaml = プレイブックが正しいYAMLではありません
fault-playbook_wrong = プレイブックに誤りがあります
    .named = { $fault }（{ $name }）
fault-reference_rows = 説明の基準には、確率を持つ行が必要です
    .got = { $rows }行、確率{ $chances }個
fault-reference_format = このバージョンで読める説明の基準ではありません
    .expected = 形式{ $format }（ExplainReference.as_dictが返す形）
    .remedy = もう一度学習してください。新しいバンドルが書かれます。
fault-explanation_format = このバージョンのchurnmlでは、保存された説明を読めません
    .where = 顧客{ $account }、as_of { $as_of }
    .expected = 形式{ $format }
    .remedy = `churnml score CONFIG`を実行してください。すべての顧客の説明が作り直されます。
fault-no_feature_left = 特徴量が1つも残りません
    .expected = テーブルから計算できるファミリーが1つ以上
    .remedy = features.familiesとfeatures.excludeを確認してください。
fault-no_family = 特徴量のファミリー{ $family }はありません
fault-no_extra = 既定で無効な指標に{ $name }はありません
fault-no_event_kind = 種類が{ $kind }のイベントはありません
fault-no_attribute = 顧客に属性{ $name }はありません
    .remedy = tables.accountsに対応付けるか、{ $where }から外してください。
fault-attribute_leaks = 属性{ $name }は時とともに変わりますが、顧客に履歴がないため、今日の値が過去に漏れてしまいます
    .expected = 版ごとに1行あり、known_atを持つ顧客
    .remedy = tables.accounts.columns.known_atを対応付けるか、{ $name }を{ $where }から外してください。
fault-spine_column = spineに列{ $column }がありません
fault-spine_empty = spineに値のない行があります
fault-spine_midnight = as_ofが午前0時ではありません
    .expected = 日付：その日の始まりの午前0時（UTC）
fault-feature_twice = 同じ名前の特徴量が2つあります：{ $names }
    .got = 一方は組み込み、またはイベントの種類から作られたもので、もう一方は自作モジュールか別の種類によるものです
    .remedy = 自作の特徴量かイベントの種類の名前を変える（event_typeの`expr`）か、features.excludeで一方を外してください。
fault-user_none = モジュール{ $name }に特徴量がありません
    .remedy = churnml.features.featureで関数をデコレートしてください。
fault-user_number = 特徴量の関数が数値を返しませんでした
    .expected = 行の集計。例：rows.count()、(rows.category == 'billing').sum()
fault-user_column = 特徴量の関数が、フレームと同じ長さの列を返しませんでした
    .got = { $values }個の値を持つ{ $type }
    .expected = { $rows }個の値を持つSeries
fault-user_failed =
    .refused = 自作の特徴量を作れません：返された値をエンジンが受け付けません
    .column = 自作の特徴量を作れません：返された値が数値の列ではありません
    .raised = 自作の特徴量を作れません：関数が失敗しました
    .remedy = 関数を直すか、そのモジュールをfeatures.modulesから外してください。
fault-user_word =
    .table = 標準テーブルに{ $word }はありません
    .family = 特徴量のファミリーに{ $word }はありません
fault-no_feature_of =
    .family = 特徴量のファミリー{ $asked }はありません
    .kind = 特徴量の種類{ $asked }はありません
fault-no_feature = 特徴量{ $name }はありません
    .listed = `churnml features list`に示される名前
fault-no_feature_fits = この設定に当てはまる特徴量はありません
    .remedy = `churnml features list CONFIG`で内訳が分かります。パターンには*を使います（例：'tickets_*'）。
fault-feature_unmade = 特徴量{ $name }を作れません
    .unlike = カタログにはありますが、必要なものがテーブルと設定にありません
    .table = カタログにはありますが、テーブル`{ $table }`がありません
    .users = カタログにはありますが、`events`に`user_id`がありません
    .remedy = カタログを作ったときのテーブルと設定を使うか、もう一度学習してください。
fault-no_target = その配信先はありません
    .none = `deliveries`セクションにある配信先
fault-translation = 翻訳されたプレイブックが元のプレイブックに合いません
    .none = そのプレイブックはありません
    .unlike = 手順の数が違うか、タイトルがありません
    .form = `title`と、元と同じ数の`steps`
fault-settings_number = 数値ではありません
fault-yaml = 設定が正しいYAMLではありません
    .variable = { "{" }…{ "}" }の中では変数に引用符が必要です："{ $name }"。
    .signs = その行を直してください。YAMLの記号（: # { "{" } [ & * !）を含む文字列には引用符が必要です。
fault-health_churned = ヘルスのバックテストには、解約した顧客の読み取りが必要です
    .got = ラベル付きの読み取り{ $rows }件、うち解約{ $churned }件
    .remedy = 過去の日付を増やしてください。
fault-no_health = ヘルススコアを持つ顧客がないため、しきい値を提案できません
fault-weights = この履歴からはヘルスの重みを学習できません
    .got = 解約した顧客{ $accounts }件、ラベル付き{ $rows }行のうち解約{ $positives }行
    .expected = 解約した顧客が{ $least }件以上と、継続した顧客
    .remedy = health.preset: balancedを使ってください。
fault-reading_twice = 履歴に同じ読み取りが2つあります
    .expected = 顧客と日付ごとに1行
fault-reading_account_twice = 1回の読み取りに同じ顧客が2度あります
    .expected = 読み取りごとに1つの日付
fault-other_frame = バックテストの予測がこのフレームのものではありません
    .where = 分割{ $name }
    .got = { $all }行のうち{ $n }行だけ見つかりました
fault-scale_empty = ヘルスの尺度には基準となる集団が必要ですが、フレームが空です
fault-scale_scores = alphaが`fitted`なので、HealthScale.fitにはフレームのスコアが必要です
fault-scale_format = このバージョンで読めるヘルスの尺度ではありません
    .expected = 形式{ $format }（HealthScale.as_dictが返す形）
    .remedy = もう一度学習してください。新しいバンドルが書かれます。
fault-points_order = ヘルス指標の点が値の順に並んでいません
    .expected = 厳密に増加する値
fault-points_scores = ヘルス指標のスコアは0〜100の範囲で、増加か減少の一方向でなければなりません
fault-group_weight = ヘルスのグループ{ $group }に指標はありますが、重みがありません
    .expected = { $group }の重み
    .remedy = health.weightsに`{ $group2 }: 10`を加えてください。
fault-no_group = ヘルスのグループ{ $group }はありません
fault-weight_negative = ヘルスの重みが負の値です
fault-no_segments = セグメント別の重みがありますが、特徴量にセグメントがありません
    .expected = 次の特徴量のいずれか：{ $names }
    .remedy = accounts.segmentを対応付け、features.attributesに加えてください。
fault-no_segment = セグメント{ $word }はありません
    .expected = { $twin }ではありませんか
fault-no_phase = フェーズ{ $word }はありません
fault-base_rate = 基準解約率は0より大きく1以下でなければなりません
fault-verdict = 不明な判定です
fault-feature_row_twice = 特徴量のフレームに同じ行が2つあります
    .where = 顧客{ $account }
    .expected = 1行
fault-score_row_twice = スコアに同じ行が2つあります
    .where = 顧客{ $account }
    .expected = 1行
fault-own_module =
    .features = 特徴量モジュール{ $name }を読み込めません
    .alerts = アラートルールのモジュール{ $name }を読み込めません
    .expected = インストール済みモジュールのドット区切りの名前、または設定ファイルからの相対パスで示した.pyファイル
    .at = { $file }、{ $line }行目
fault-not_scored = まだ何もスコアされていません
    .remedy = `churnml score CONFIG`を実行してください。
fault-features_gone = 最新のスナップショットの特徴量はもう保存されていません
    .where = { $as_of }のスナップショット
    .remedy = もう一度`churnml score CONFIG`を実行してください。
fault-alert_nothing = アラートに何も指示されていません
    .expected = 状態、担当者またはメモ
fault-task_nothing = タスクに何も指示されていません
    .expected = done、skipped、別の担当者またはメモ
fault-no_backup = このファイルはchurnmlのバックアップではありません
    .expected = `churnml backup`が書き出したもの
fault-other_backup = 別の会社のバックアップです
fault-pull_failed = { $all }個のソースのうち{ $failed }個を取得できませんでした
    .remedy = `churnml pull CONFIG`を実行してください。すでに届いたものは保存されています。
fault-targets_stopped = { $all }個の配信先のうち{ $stopped }個には配信できませんでした
    .remedy = 未配信のものは残り、次の実行で送られます。`churnml deliver check CONFIG`で原因が分かります。
fault-no_configs = フォルダーに設定がありません
    .expected = .yamlで終わるファイル
fault-memory = メモリ量を読み取れません
    .expected = 8GBや512MBなど
fault-nothing_again = 再送するものが指定されていません
    .expected = ID、またはすべてを送る--target NAME
fault-no_letter = この番号の配信不能の記録はありません
    .remedy = 番号は `churnml deliver list CONFIG` で確認できます。
fault-no_target_on = 設定に有効な配信先がありません
    .expected = `deliveries: { "{" }tables: { "{" }bi: { "{" }folder: bi{ "}" }{ "}" }{ "}" }`のようなセクション
    .remedy = docs/deliveries.mdに配信先ごとのページがあります。
fault-no_folder = そのフォルダーまたはファイルはありません
    .remedy = 生データのファイルがあるフォルダーを指定してください。
fault-config_there = 設定はすでにあります
    .remedy = --outで別のファイル名を指定するか、--yesで置き換えてください。
fault-nothing_readable = フォルダーに読み取れるファイルがありません
    .expected = CSV、TSV、JSON、Parquet、Excel（gzip、zstandard、zipでの圧縮も可）、DuckDBまたはSQLite
fault-nobody_drawn = まだどの顧客も抽選されていません
    .got = 実験{ $name }
    .remedy = `experiments: { "{" }enabled: true, arr_below: …{ "}" }`を設定してスコアしてください。アラートが開くときに抽選されます。
fault-daily_busy = { $name }の日次実行はすでに動いています
    .remedy = 何もする必要はありません。実行は続いています。進み具合は`churnml daily list CONFIG`で分かります。
fault-explanations_unread = 前回のスコアリングの説明を読めません
    .remedy = もう一度`churnml score CONFIG`を実行してください。
fault-no_snapshot = まだスナップショットがスコアされていません
    .remedy = 先に`churnml score CONFIG`（または`churnml run CONFIG`）を実行してください。
fault-promote_reason = ゲートが自動で昇格するのは、ノイズを超えて良いモデルだけです。それ以外には人が示す理由が必要です
    .remedy = `churnml models compare CONFIG A B`で2つを並べて比べられます。
fault-predictions_unread = バックテストの予測を読めません
    .remedy = バックアップから戻すか、ファイルを削除してください。次の学習で新しく書かれます。
fault-held_back = データがアラームを出しているため、公開を見合わせました
    .expected = monitoring.publish_if: { $publish_if }で公開できる状態
    .remedy = 各コードの意味はdocs/monitoring.mdにあります。前回公開したスコアは引き続き提供されます。それでも公開するには、monitoring.publish_if: alwaysを設定してください。
fault-no_tool = 設定に取得元のツールがありません
    .expected = `sources: { "{" }desk: { "{" }pull: { "{" }zendesk: { "{" }url: …, user: …, api_token: ${ "{" }NAME{ "}" }{ "}" }{ "}" }{ "}" }{ "}" }`のようなセクション
    .remedy = docs/pull.mdに、ツールごとのログインの作り方があります。
fault-no_source = 取得元{ $name }はありません
fault-pull_busy = このソースの別の取得が動いています
    .remedy = 終わるまでお待ちください。取得は自動で続きます。
fault-snapshot_features_gone = スナップショットの特徴量はもう保存されていません
    .remedy = もう一度`churnml score CONFIG`を実行してください。
fault-setting = 設定値が「特徴量=数値」の形ではありません
fault-no_verdict = 判定のないモデルはバンドルにできません
    .remedy = 先にバックテストしてください：`fit(…, backtest=…)`。
fault-no_bundle = バンドル{ $name }/{ $version }はありません
    .remedy = `churnml train CONFIG`で作られます。
fault-none_promoted = { $name }のモデルはまだ昇格していません
    .got = 学習済み{ $n }個、承認されたものはなし
    .remedy = 理由は`churnml train CONFIG`で分かります。--force --reason '…'で人が判断を上書きできます。
fault-none_trained = { $name }のモデルはまだ学習されていません
    .remedy = 先に`churnml train CONFIG`（または`churnml run CONFIG`）を実行してください。
fault-mlflow = MLflowが拒否しました
    .remedy = 設定のmlflow.tracking_uriと、そのサーバーが応答するかを確認してください。
fault-mlflow_database = MLflowのデータベースを使えません
    .remedy = バックアップから戻すか、別の場所へ移してください。次の学習で新しく作られます。
fault-no_version = バンドル{ $name }/{ $version }はありません
    .remedy = `churnml models list CONFIG`に一覧があります。
fault-promotions_damaged = 昇格の記録が壊れています
    .remedy = バックアップから戻すか、別の場所へ移してください。使用中のチャンピオンから新しい記録が始まります。
fault-no_rollback = 戻せる以前のチャンピオンがありません
    .remedy = `churnml models promote CONFIG VERSION --force --reason …`なら、`models list`に示されるどのバージョンにもできます。
fault-no_backtest = バックテストのレポートには、少なくとも1つのバックテストが必要です
fault-no_grouping = 顧客に属性{ $name }はありません
fault-grouping_leaks = 属性{ $name }は時とともに変わりますが、顧客に履歴がないため、今日の値を過去に当てはめてしまいます
    .expected = 版ごとに1行あり、known_atを持つ顧客
    .remedy = tables.accounts.columns.known_atを対応付けるか、--by { $name2 }を外してください。
fault-rows_key = スコアする行に{ $key }がありません
    .expected = account_id、as_ofとモデルの特徴量
fault-bento_folder = bentoのフォルダーが空ではありません
    .remedy = 新しいフォルダーを指定してください。
fault-oidc_extra = OpenID Connectでのサインインには追加のパッケージが必要です
fault-insecure_host = APIキーがない場合、サービスはこのマシンでだけ待ち受けます
    .expected = 127.0.0.1または::1
    .remedy = --insecureを外し、キーを作ってください：`churnml keys create NAME`。
fault-host = このホストにはアドレスがありません
fault-port = サービスはポート{ $port }で待ち受けられません
    .remedy = 別のプログラムが使っている可能性があります。--portで別のポートを選んでください。
fault-serve_config = サービスは、どの設定を提供するのか分かりません
    .where = 環境変数{ $name }
    .remedy = `churnml serve CONFIG`で起動するか、この変数に設定ファイルのパスを入れてください。
fault-bento_store = bentoにストアは含まれません。使うストアを指定してください
    .where = 環境変数{ $name }
    .expected = postgresql://user:password@host/database、またはsqlite:////absolute/path/store.db
fault-workers = ワーカーの数が正しくありません
fault-simulate_accounts = 会社とするには顧客が少なすぎます
    .expected = 10以上
fault-simulate_months = この長さはシミュレーションできません
    .expected = 3〜120
fault-simulate_seed = シードは負にできません
    .expected = 0以上
fault-simulate_rate = 解約率が範囲外です
    .expected = 月に0.001〜0.15
fault-simulate_start = データが月の途中から始まっています
fault-simulate_tool = 書き出せるツールではありません
fault-simulate_folder = フォルダーが空ではありません
    .remedy = 新しいフォルダーを指定してください。
fault-simulate_other = フォルダーに、シミュレーションした会社以外のものがあります
    .remedy = 空のフォルダーか新しいフォルダーを指定してください。
fault-no_plan_rows = どの顧客も、有効なサブスクリプションを持っていません
    .got = { $n }行、すべてアドオンか長さのないもの
    .expected = is_addonがfalseで、終了が開始より後の行
    .remedy = is_addon、started_on、ends_onの対応付けを確認してください。
fault-no_snapshot_date = 観測期間に当てはまるスナップショットの日付がありません
    .got = { $start }から{ $end }まで
    .expected = その中に少なくとも1つのas_of
    .remedy = snapshots.first、snapshots.lastとデータの日付を確認してください。
fault-before_renewals = 更新前のスナップショットには契約が必要です
    .remedy = 代わりにsnapshots.everyを使ってください。
fault-as_of_outside = as_ofの日付が観測期間の外にあります
    .expected = { $first }より後、{ $last }以前
    .remedy = 期間内の日付を選ぶか、新しいデータを抽出してください。
fault-split_not_known = 固定の分割に、テスト期間の前にラベルが確定していた学習用スナップショットがありません
    .got = 学習は{ $trained }まで、テストは{ $tested }から
    .expected = 間に{ $days }日（gap、horizon、grace、settling）
    .remedy = 境界を動かすか、より多くのデータを抽出してください。
fault-split_leaks = { $name }に漏れがあります：最後の学習用スナップショットのラベルがテスト期間に及んでいます
    .got = { $trained }から{ $tested }まで{ $days }日
    .expected = { $days }日以上
    .remedy = 学習は遅くとも{ $until }までにしてください。
fault-connect_extra = 取得には追加パッケージ`connect`が必要です
    .remedy = 実行してください：pip install 'churnml[connect]'
fault-landing = 取得したデータを書き込めません
    .remedy = 何も失われていません。次の取得はそこから続きます。別のプログラムがファイルを開いていないか確認してください。
fault-no_store = バックアップするストアがありません
fault-store_restore = ストアを戻せません
    .remedy = 別のバックアップを使ってください。ストアは元のままです。
fault-not_sqlite = churnmlがバックアップするのはSQLiteファイルのストアだけです
    .remedy = pg_dumpやpg_restoreなど、サーバー自身のツールを使ってください。コマンドはdocs/operations.mdにあります。
fault-curve_format = このバージョンのchurnmlでは、保存された曲線を読めません
    .where = 顧客{ $account }
    .expected = 形式{ $format }
    .remedy = `churnml score CONFIG`を実行してください。すべての顧客の曲線が作り直されます。
fault-not_json = 型{ $type }の値はJSONとして保存できません
fault-no_score_column = 公開するスコアに列{ $column }がありません
fault-account_twice = 公開するスコアに{ $n }件の顧客が重複しています
fault-probability = 解約確率が0〜1の範囲にありません
fault-band = 区分が正しくありません
fault-no_zone = scored_atにタイムゾーンがありません
fault-no_table = テーブル{ $name }はありません
    .expected = 次のいずれか：{ $names }
    .remedy = 設定で生のテーブルを{ $name }に対応付けるか、それを必要とするものを無効にしてください。
fault-no_period = 観測期間が分かりません
    .remedy = observed_fromとobserved_untilを渡してください。
fault-calibration = モデルの較正を読めません
    .got = 数値{ $n }個の手法{ $method }
    .expected = none（0）、platt（2）、beta（3）、またはisotonic（偶数）
fault-feature_missing = 行に特徴量{ $column }がありません
    .columns = { $n }列
    .near = { $n }列、最も近いのは{ $near }
    .expected = モデルのすべての特徴量（不明な値はnull）
    .remedy = モデルを学習したときの設定で特徴量を計算してください。
fault-feature_type = 数値の特徴量に数値でないものがあります
    .expected = 数値（不明な値はnull）。語はカテゴリとして宣言してください
fault-no_rows = 学習に使えるラベル付きの行がありません
    .expected = ラベルの期間がすべて観測されたスナップショット
    .remedy = より長い履歴を抽出するか、label.horizon_daysを短くしてください。
fault-few_lost = いつ失われるかを学習するには、失われた顧客が少なすぎます：{ $n }
    .got = スナップショット{ $snapshots }件、経過した意思決定と月{ $n }件
    .expected = { $least }件以上（model.min_churners）
    .remedy = より長い履歴を抽出するか、model.min_churnersを下げてください。
fault-hazard_unread = ハザードモデルを読めません
    .remedy = バンドルを戻すか、このバージョンのchurnmlでもう一度学習してください。
fault-curve_columns = 生存曲線の元になるものがスナップショットにありません
    .expected = snapshots.coming_decisionsとsnapshots.seen_endsを結合したspineと特徴量
    .remedy = この2つの関数で列を加えてください。
fault-model_format = モデルの形式が違います
    .remedy = このバージョンのchurnmlでもう一度学習してください。
fault-model_unread = モデルを読めません
    .remedy = バンドルを戻すか、もう一度学習してください。
fault-model_file = モデルにファイル{ $name }がありません
    .none = ファイルなし
    .remedy = バンドルを戻すか、もう一度学習してください。
fault-model_json = ファイル{ $name }がJSONではありません
fault-old_rule = このモデルの確率を与えるルールは、古いバージョンで書かれています
    .where = ルール{ $name }
    .remedy = このバージョンのchurnmlでもう一度学習してください。以前のバンドルはそのまま残ります。
fault-no_scorecard = 基準ルールにはスコアカードが必要です
fault-model_params = LightGBMのパラメーター{ $name }は設定できません
    .expected = 目的関数、スレッド数、決定性は固定です。クラスの重み付けはせず、代わりに確率を較正します。`seed`は独立したキーです
fault-uplift_share = 対照群の割合が0から1の間にありません
    .got = { $min }から{ $max }
    .remedy = 抽選によらない行を除いてください。
fault-uplift_blocks = 1つを除くにはブロックが少なすぎます
    .expected = 2以上
    .remedy = `time_blocks`で作ってください。

## エラー：学習、バンドル、検索

target-happened =
    .churn = 解約した
    .expansion = 拡大した
    .contraction = 縮小した
target-held =
    .churn = 継続した
    .expansion = 拡大しなかった
    .contraction = 縮小しなかった
fault-split_empty =
    .train = 固定の分割に、ラベル付きの学習用スナップショットがありません
    .test = 固定の分割に、ラベル付きのテスト用スナップショットがありません
    .dates = ラベル付きスナップショットのある{ $first }から{ $last }までの日付
    .move = 境界を動かすか、より多くのデータを抽出してください。
fault-one_class =
    .every = どのスナップショットでも、すべてが「{ $happened }」顧客です
    .none = どのスナップショットにも「{ $happened }」顧客がいません
    .got = ラベル付き{ $rows }行のうち「{ $happened }」が{ $positives }行、as_of { $first }から{ $last }まで
    .both = 両方の顧客
    .change = label.change_shareとlabel.expansion_by、およびmrr、seats、opportunitiesの対応付けを確認してください。label.horizon_daysや履歴を長くするのも有効です。
    .ends = label.churn、label.grace_daysとサブスクリプションの終了の対応付けを確認してください。出力のすべての行にある終了日は、契約ではなく請求期間の終わりであることがよくあります。
    .silence = label.silence_daysとlabel.activityを確認してください。顧客なしに続くイベントは沈黙を隠します。履歴を長くするのも有効です。
    .mapping = label.churnと終了の対応付け（ends_on、terminated_on）を確認してください。label.horizon_daysや履歴を長くするのも有効です。
fault-few_churners = 顧客{ $accounts }件のうち「{ $happened }」のは{ $n }件だけです
    .got = { $first }から{ $last }までのスナップショット、それぞれ{ $days }日先まで
    .expected = { $least }件以上（model.min_churners）
    .change = label.change_share、label.expansion_byと、mrr、seats、opportunitiesの対応付けを確認してください。間違いがなければ、該当する顧客が少ないということです。履歴かlabel.horizon_daysを長くすれば増えます。それまではルールでヘルスを計算してください（health.alpha: 0）。
    .silence = label.silence_daysとlabel.activityを確認してください。顧客なしに続くイベントは沈黙を隠します。間違いがなければ、該当する顧客が少ないということです。履歴かlabel.horizon_daysを長くすれば増えます。それまではルールでヘルスを計算してください（health.alpha: 0）。
    .mapping = label.grace_daysと終了の対応付け（ends_on、terminated_on）を確認してください。出力に現れない終了は学習できません。間違いがなければ、該当する顧客が少ないということです。履歴かlabel.horizon_daysを長くすれば増えます。それまではルールでヘルスを計算してください（health.alpha: 0）。
fault-no_cohort = どのスナップショットの対象にも顧客がいません
    .remedy = cohortセクションと、サブスクリプションかイベントがスナップショットの日付を含むことを確認してください。
fault-no_label = ラベルが確定したスナップショットがありません
    .got = { $rows }行、最も古いas_ofは{ $first }
    .expected = スナップショットの後に観測された{ $days }日（gap + horizon + grace + settle）
    .remedy = より長い履歴を抽出するか、label.horizon_daysを短くしてください。
fault-no_fold = 履歴が短すぎて、公正なバックテストを1回も行えません
    .got = { $first }から{ $last }までのラベル付きスナップショット{ $n }件、学習に使える「{ $happened }」顧客は最大{ $churners }件
    .expected = テスト用スナップショット{ $snapshots }件、その前の{ $purge }日の除外、さらにその前に該当する顧客が{ $least }件以上いる学習用スナップショット
    .remedy = より長い履歴を抽出する、splits.test_snapshotsを減らす、label.horizon_daysを短くする、または週ごとのスナップショットにしてください。
fault-training_rows = { $rows }行のうち「{ $happened }」が{ $n }行、as_of { $first }から{ $last }まで
fault-training_none = 学習期間に「{ $happened }」顧客がいません
    .expected = 「{ $happened }」顧客が{ $least }件以上、「{ $held }」顧客も同じ数だけ
    .check-churn = label.churnとサブスクリプションの終了の対応付けを確認してください。予測期間や履歴を長くするのも有効です。
    .check-expansion = label.change_share、label.expansion_byと、mrr、seats、opportunitiesの対応付けを確認してください。予測期間や履歴を長くするのも有効です。
    .check-contraction = label.change_shareとmrrの対応付けを確認してください。予測期間や履歴を長くするのも有効です。
fault-training_every = 学習期間のすべてが「{ $happened }」顧客です
    .expected = 「{ $held }」顧客
    .check-churn = label.churnとサブスクリプションの終了の対応付け、label.grace_days、出力に該当する顧客しか含まれていないかどうかを確認してください。
    .check-expansion = label.change_share、label.expansion_byと、mrr、seats、opportunitiesの対応付け、出力に該当する顧客しか含まれていないかどうかを確認してください。
    .check-contraction = label.change_shareとmrrの対応付け、出力に該当する顧客しか含まれていないかどうかを確認してください。
fault-training_few = 学習期間に「{ $few }」顧客が少なすぎて学習できません：{ $n }件
    .expected = { $least }件以上（model.min_churners）
    .remedy = より長い履歴を抽出するか、label.horizon_daysを長くするか、model.min_churnersを下げてください。
fault-no_account = 顧客{ $account }はスコアされたスナップショットにありません
    .known = { $example }など、{ $n }件の顧客のいずれか
    .remedy = 新しい顧客か、スコアされる前に離れた顧客かもしれません。誰がスコアされるかはcohortセクションで決まります。
fault-nothing_known =
    .account = この顧客については何も記録がありません
    .contact = この担当者については何も記録がありません
    .check = churnmlでのIDを確認してください。`churnml explain CONFIG ACCOUNT`が近いものを示します。
fault-cohort_empty = 対象となる顧客がいません
    .at = as_of { $as_of }
    .near = as_of { $as_of }、更新まで{ $days }日以内
    .remedy = cohortセクションと、サブスクリプションかイベントがその日付を含むことを確認してください。
fault-pointer = チャンピオンを示すファイルが壊れています
    .empty = バージョンが書かれていません
    .remedy = バックアップから戻すか、チャンピオンを指定してください：`churnml models promote CONFIG VERSION --force --reason …`。バージョンは`churnml models list CONFIG`で分かります。
fault-bundle_broken = モデルのバンドルを使えません：{ $why }
    .remedy = バックアップからフォルダーを戻すか、もう一度学習してください。
fault-bundle_unusable = モデルのバンドルを使えません
    .remedy = バックアップからフォルダーを戻すか、もう一度学習してください。
bundle-why =
    .missing = ファイル{ $file }がありません
    .altered = ファイル{ $file }がチェックサムと一致しません
    .unread = { $file }を読めません（{ $why }）
    .format = { $file }は形式{ $format }のマニフェストではありません（{ $fault }）
fault-unforeseen = { $type }：{ $said }
fault-never_back = ストアのスキーマは元に戻せません
    .remedy = 更新の前に作られたコピーを戻してください。
fault-no_change =
    .expansion = データに拡大を示すものがありません
    .contraction = データに縮小を示すものがありません
    .got = MRRのないサブスクリプション
    .got-rising = MRRも座席数もないサブスクリプションで、商談もなし
    .map = subscriptions.mrrを対応付けてください。
    .map-rising = subscriptions.mrr、subscriptions.seatsまたはopportunitiesを対応付けてください。

## 検証：要求や設定の値の誤り

validation-missing = 必須の項目です
validation-extra_forbidden = この項目は使えません
validation-string_type = 文字列でなければなりません
validation-string_too_short = { $min_length }文字以上の文字列でなければなりません
validation-string_too_long = { $max_length }文字以下の文字列でなければなりません
validation-string_pattern_mismatch = パターン「{ $pattern }」に一致する文字列でなければなりません
validation-int_type = 整数でなければなりません
validation-int_parsing = 整数でなければなりません（文字列を整数として読めません）
validation-int_from_float = 整数でなければなりません（小数部があります）
validation-float_type = 数値でなければなりません
validation-float_parsing = 数値でなければなりません（文字列を数値として読めません）
validation-finite_number = 有限の数値でなければなりません
validation-bool_type = 真偽値でなければなりません
validation-bool_parsing = 真偽値でなければなりません（値を解釈できません）
validation-dict_type = キーと値の組（オブジェクト）でなければなりません
validation-list_type = リストでなければなりません
validation-tuple_type = リストでなければなりません
validation-model_attributes_type = キーと値の組（オブジェクト）でなければなりません
validation-model_type = キーと値の組（オブジェクト）でなければなりません
validation-greater_than = { $gt }より大きくなければなりません
validation-greater_than_equal = { $ge }以上でなければなりません
validation-less_than = { $lt }より小さくなければなりません
validation-less_than_equal = { $le }以下でなければなりません
validation-literal_error = 次のいずれかでなければなりません：{ $expected }
validation-enum = 次のいずれかでなければなりません：{ $expected }
validation-date_type = 日付でなければなりません
validation-date_parsing = YYYY-MM-DD形式の日付でなければなりません（{ $error }）
validation-date_from_datetime_parsing = 日付または日時でなければなりません（{ $error }）
validation-date_from_datetime_inexact = 日付には時刻を付けられません
validation-datetime_type = 日時でなければなりません
validation-datetime_parsing = 日時でなければなりません（{ $error }）
validation-datetime_from_date_parsing = 日時または日付でなければなりません（{ $error }）
validation-timezone_aware = タイムゾーンが必要です
validation-too_short = 要素が{ $min_length }個以上必要です（実際は{ $actual_length }個）
validation-too_long = 要素は{ $max_length }個までです
validation-feature_length = 文字列は500文字までです
validation-feature_truth = 数値、文字列またはnullが必要です（実際は真偽値）
validation-feature_list = 数値、文字列またはnullが必要です（実際はリスト）
validation-feature_object = 数値、文字列またはnullが必要です（実際はオブジェクト）
validation-feature_finite = 有限の数値が必要です。不明な値にはnullを送ってください
validation-account_or_features = account_idとfeaturesのどちらか一方だけを送ってください
validation-goes_with_features = as_ofとarrはaccount_idとではなくfeaturesと一緒に送ってください
validation-one_subject = account_id、alert_id、task_idのいずれか1つだけを送ってください
validation-iso_date = 日付はYYYY-MM-DDの形で、時刻を付けるなら2026-11-01T04:00:00Zのように書いてください
fault-config_wrong = 設定に誤りがあります：
    .line =
        { $before }
        { "  " }- { $line }
    .show = `churnml config show`で、すべてのキーと既定値が表示されます。説明はdocs/config.mdにあります。
fault-config_key =
    .near = { $key }：そのキーはありません。{ $near }ではありませんか。
    .known = { $key }：そのキーはありません。使えるキー：{ $known }。
    .none = { $key }：そのキーはありません。
    .missing = { $key }：キーがありません。
    .wrong = { $key }：{ $what }
    .got = { $key }：{ $what }（実際：{ $got }）

## 設定の値が、他の値と両立しない、またはそれだけで成り立たないとき
wrong-one_of = { $names }のうち、ちょうど1つを指定してください
wrong-clear = clearは境界の向こう側に置きます：`above`以下、または`below`以上にしてください
wrong-absence = lastがfirstより前です
wrong-time_zone =
    .example = タイムゾーン{ $name }はありません。例：Europe/Berlin、Asia/Tokyo
    .near = タイムゾーン{ $name }はありません。{ $near }ではありませんか。
    .far = タイムゾーン{ $name }はありません
wrong-source_or_sources = `source`か`sources`のどちらか一方を指定してください
wrong-with = { $place }.with：さらに生の表を読めるのはプリセットだけです
wrong-which_source = { $place }.source：どのソースかを指定してください：{ $names }
wrong-unknown_name =
    .near = { $place }：{ $name }という名前はありません。{ $near }ではありませんか。使える名前：{ $known }
    .far = { $place }：{ $name }という名前はありません。使える名前：{ $known }
wrong-attributes = tables.{ $table }.attributes：属性を追加できるのはaccountsだけです
wrong-label_table = label.churnは{ $churn }ですが、`{ $table }`の表が対応付けられていません
wrong-expansion_table = label.targetはexpansionですが、拡大を示す表（{ $tables }）が1つも対応付けられていません（label.expansion_by：{ $signs }）
wrong-fitted_health = health.presetとhealth.alphaの`fitted`は解約から学びますが、label.targetは{ $target }です。この場合、ヘルスはルールだけで決まります。プリセットはreferenceかbalancedを選び、alphaは外してください
wrong-loop = churnmlが書き込む項目は特徴量にできません。自分のスコアから学ぶことになるためです：{ $loops }。別の列を対応付けるか、`null`で外すか、churnml専用の項目に書き込んでください
    .written = { $place }は、deliveries.{ $target }が書き込む{ $name }を読みます
    .named = { $place }は{ $name }を読みますが、その名前はchurnmlが書き込んだものであることを示しています
wrong-nobody = `to`か`owners`に宛先を指定してください
wrong-login = client_idとclient_secret、またはtokenを指定してください
wrong-pull =
    .destination = `pull.destination`と一緒に置けるのは、読み取り元の`connection`だけです
    .landing = `pull`と一緒に置けるのは、取り込み先ファイルの`duckdb`だけです
wrong-identity = ツール自身の`id`の生の列名か、`preset`を指定してください
wrong-encoding = 文字コード{ $name }はありません。例：cp932、latin-1、utf-16
wrong-parts = 生の表のリストには、それぞれ`from`を持つ項目を並べてください
wrong-contraction = targetがcontractionの場合、MRRが下がりうる契約が必要ですが、label.churnはsilenceです
wrong-change_share = change_share（{ $share }）：MRRが全額下がって、なお残ることはありません
wrong-horizon_twice = { $days }日の予測期間が二重に指定されています。further_horizons_daysには、horizon_days（{ $horizon }）以外の期間を並べてください
wrong-silence =
    .further = silence_days（{ $silence }）がfurther_horizons_daysの{ $horizon }日より長いため、そのラベル期間内では沈黙を観測できません。その期間を外すか、silence_daysを{ $horizon }以下にしてください
    .own = silence_days（{ $silence }）がhorizon_days（{ $horizon }）より長いため、ラベル期間内では沈黙を観測できません
wrong-bands = red_below（{ $red }）はgreen_from（{ $green }）より小さくなければなりません
wrong-address = { $given }はアドレスでもネットワークでもありません。例：10.0.0.7、10.0.0.0/8
wrong-words = 言葉、または言語コードごとの言葉を指定してください

## サインイン

sign_in-title = サインイン
sign_in-text = { $company } の顧客の解約リスクと健全性。
sign_in-oidc = 会社のアカウントでサインイン
sign_in-email = メールアドレス
sign_in-mail = サインイン用リンクをメールで受け取る
sign_in-by_link = 届いたサインイン用リンクを開いてください。リンクは1回だけ使えます。
sign_in-ask = アクセスできない場合は { $whom } にお問い合わせください。
sign_in-ask_admin = アクセスできない場合は、社内の churnml 管理者にお問い合わせください。
sign_in-key = APIキーを使う
sign_in-sent = メールをご確認ください
sign_in-sent_text = このアドレスの登録があれば、サインイン用リンクを送信します。届くまで1分ほどかかることがあります。リンクは1回だけ使えます。
sign_in-back = サインインに戻る
sign_in-hello = { $name } さん
sign_in-link_text = このブラウザーで { $email } としてサインインします。リンクは1回だけ使えます。
sign_in-mail_subject = { $company } のサインイン用リンク
sign_in-mail_text =
    { $name } さん

    次のリンクで1回だけサインインできます（{ $hours }時間以内）。

    { $address }

    お心当たりがない場合は何もする必要はありません。リンクがなければ、誰もあなたとしてサインインできません。
frame-problem-signed_out = サインアウトしています
    .text = セッションが終了しました。もう一度サインインしてから、操作をやり直してください。
frame-problem-key = このAPIキーは使えません
    .text = 登録がないか、期限切れか、取り消されています。
frame-problem-role = このページは開けません
    .text = あなたの役割は「{ $role }」です。この役割では利用できません。変更は管理者に依頼してください。
frame-problem-scope = このページは開けません
    .text = お使いの API キーでは利用できません。
frame-problem-stranger = まだ登録がありません
    .text = 別のところではサインインしていますが、このページへのアクセスはまだ許可されていません。
frame-problem-link = このリンクではサインインできません
    .text = すでに使われたか、期限切れか、リンクが途中で切れています。新しいリンクを依頼してください。
frame-problem-provider = サインインできませんでした
    .text = 会社のサインインで本人確認ができませんでした。もう一度お試しください。
frame-problem-throttled = 試行回数が多すぎます
    .text = 1分ほど待ってから、もう一度お試しください。
frame-problem-form = ページが古くなっていました
    .text = ページを開いた後にサインインし直したようです。もう一度ページを開いて、操作をやり直してください。変更は行われていません。

## 会社・チーム・検証：管理者が見る画面

co-company = 会社
co-renewals = 契約更新
co-cohorts = コホート
    .how = 各行は同じ四半期に開始した顧客を追います。セルは、その四半期末、翌四半期末…に残っている割合です。MRRが100%を超えるのは、拡大が損失を上回ったためです。一度離れて戻った顧客は新規として数えます。
co-journey = ジャーニー
    .how = フェーズの日数は、まだそのフェーズにいる顧客も観測した日数まで数えます（カプラン・マイヤー法）。全体の80%が次へ進むのにかかった日数を超えると「停滞」です。10社以上が次へ進んでいる場合に限ります。
co-growth = 成長余地
co-as_of = { $on }までのデータ
co-month = 月
co-by = 区分
co-by-segment = セグメント
co-by-plan = プラン
co-by-owner = 担当者
co-by-parent = 親会社
group-alone = 親会社も子会社もない顧客
co-group = グループ
co-all = 全顧客
co-show = 表示
co-before = 前月：{ $value }
co-how = 計算方法
co-groups = グループ別（{ $month }）
co-by_month = 月別
co-movement = ARRの増減
    .how = 月初ARR＋新規＋拡大−縮小−解約＝月末ARR。金額はMRR×12です。
co-arr_start = 月初ARR
co-arr_end = 月末ARR
co-mrr_new = 新規
co-mrr_expansion = 拡大
co-mrr_contraction = 縮小
co-mrr_churned = 解約
co-nothing = 指標はまだありません
    .text = 次のスコアリングで作成されます。契約データ（subscriptionsテーブル）が必要です。
co-none = 該当する顧客はありません
    .text = この数値に含まれる顧客はありません。
co-count = { $n }社
co-account = 顧客
co-sum = 合計
co-yes = はい
co-no = いいえ
co-back = 戻る
co-earlier = 前のページ
co-later = 次のページ
co-nobody = 担当者なし
co-by_accounts = 顧客数
co-by_mrr = MRR
co-quarter = 四半期
co-after =
    { $n ->
        [0] 期末
       *[other] ＋{ $n }
    }
co-no_cohorts = コホートはまだありません
    .text = 四半期の初日から末日まで観測されている必要があります。
co-median_days = 半数が進むまでの日数
co-limit_days = 80%が進むまでの日数
co-stalled = 停滞
co-stalled_arr = 停滞ARR
co-moves = 次のフェーズ
co-illegal = ライフサイクルにない移動：{ $n }件
co-no_phases = フェーズの情報がありません
    .text = accounts.phase と accounts.known_at を対応付けると、各顧客のフェーズの推移がわかります。
co-rfm = 利用の新しさと頻度
    .how = 新しさ（最終利用）と頻度（13週間のイベント数）を5段階で採点します。5が最良で、同じ値は同じ点です。セルは顧客数とARRです。
co-room = 成長余地
    .how = 最近よく使っている（4以上）のに、同じセグメント・同じ頻度の顧客の中央値より支払いが少ない顧客の差額×12。約束ではなく、見るべき場所です。
co-no_room = 同等に利用しながら支払いが少ない顧客はありません。
co-no_events = 利用の情報がありません
    .text = eventsテーブルを対応付けると、利用を数えられます。
co-list-journey = このフェーズの顧客
    .how = 契約中の顧客。滞在日数の長い順。
co-list-stalled = 停滞している顧客
    .how = 全体の80%が次へ進むのにかかった日数を超えてフェーズに留まっています。
co-list-rfm = 新しさと頻度別の顧客
    .how = この得点の契約中の顧客。
co-list-cohort = { $quarter }に始まった顧客
    .how = 選んだ四半期の末にまだ顧客だったもの。開始時とその時点の支払額つき。
co-list-moves = { $before }から{ $after }へ
    .how = 顧客履歴にあるこの移行のすべて。二度移った顧客は二度載ります。
co-list-past = { $month }が更新期限
    .how = その月の前に作った予測の対象顧客と、継続したARR。
co-list-room = 成長余地のある顧客
    .how = 同じセグメント・同じ利用頻度の顧客の支払いとの差額×12。
co-forecast = 更新予測
    .how = 予測＝Σ ARR×（1−p）。pは解約確率（曲線を表示している場合はその更新までに解約する確率）で、その月に契約が終了する顧客を合計します。模擬した将来の10回に9回は区間に入ります。曲線を表示している場合は曲線の不確かさも含みますが、過去のどの日にも知られていなかったこと（景気後退や障害など）は含みません。
co-forecast-later = スコアが見通すのは{ $until }までです。それより後に終了する契約は、過去12か月のMRR更新率{ $rate }で計算します。
co-by_rate = 一部の顧客は会社全体の更新率で計算
co-arr_due = 更新対象ARR
co-expected = 予測
co-interval = 90%区間
co-called = CSMの見立て
co-called_same = 同じ顧客のスコア予測
co-no_forecast = 更新対象の契約はありません
    .text = 終了日のある契約がないか、まだスコアリングされていません。
co-past = 過去の予測と実績
    .how = 各月の開始前に作られた最新の予測との比較です。実績＝同じ顧客のΣ min（予測時のARR、月末のARR）。図の点が実績です。
co-past-inside = { $months }か月中{ $inside }か月の実績が区間内でした。
co-quarters = 四半期別
co-made = 予測日
co-came = 実績
co-off = 差（対象ARR比）
co-outside = 区間外
co-no_past = 開始前に予測され、すでに終わった月はまだありません。
co-due = { $month }の更新対象
    .how = 継続すると見込むARRを入力してください。解約なら0、空欄で取り消しです。見立ては契約終了日が変わるまで有効です。
co-ends = 契約終了日
co-call = 見立て（ARR）
co-call-of = { $name }の継続ARR
co-call-keep = 保存
co-call-invalid = 見立ては0以上のARRで入力してください。


phase-contract = 契約

col-mrr = 月初MRR
col-mrr_end = 月末MRR
col-mrr_begun = 開始時のMRR
col-mrr_then = その時点のMRR
col-moved_at = 移行日
col-came = 継続したARR
col-expansion = 拡大
col-contraction = 縮小
col-churned_mrr = 解約MRR
col-new_mrr = 新規MRR
col-churned = 解約
col-grown = 増額
col-renewed = 更新
col-mrr_due = 更新対象MRR
col-mrr_renewed = 更新MRR
col-answers = 回答
col-promoters = 推奨者
col-detractors = 批判者
col-active = アクティブ
col-onboarding_done = 期限内に導入完了
col-tickets = チケット
col-solved = 解決
col-escalated = エスカレーション
col-year_mrr = 1年前のMRR
col-year_churned = 解約
col-year_expansion = 拡大
col-year_contraction = 縮小
col-year_churned_mrr = 解約MRR
col-phase = フェーズ
col-days_in_phase = 滞在日数
col-recency = 新しさ
col-frequency = 頻度
col-monetary = 金額
col-room_arr = 成長余地（ARR）
col-arr = ARR
col-as_of = スコア日
col-churn_probability = 解約確率

kpi-accounts = 顧客数
    .how = 月初の0時に契約中の顧客。
kpi-mrr = MRR
    .how = 顧客が毎月支払う額。アドオンを含みます。
kpi-new_accounts = 新規顧客
    .how = 月末に契約中で、月初にはいなかった顧客。戻ってきた顧客も数えます。
kpi-lost_accounts = 失った顧客
    .how = 月初にいて月末にいない顧客。途中で一度離れた顧客も含みます。
kpi-logo_churn_rate = 解約率
    .how = その月に失った顧客÷月初の顧客。新規は除きます。
kpi-grr = GRR
    .how = 総収益維持率：Σ min（月末MRR、月初MRR）÷Σ月初MRR。100%を超えません。
kpi-nrr = NRR
    .how = 純収益維持率：（月初＋拡大−縮小−解約）÷月初。新規は除きます。
kpi-logo_churn_rate_ttm = 解約率（12か月）
    .how = 月末の1年前にいた顧客のうち、それ以降に失った割合。月次からの換算ではなく実測です。
kpi-grr_ttm = GRR（12か月）
    .how = 月末の1年前にいた顧客の総収益維持率。
kpi-nrr_ttm = NRR（12か月）
    .how = 月末の1年前にいた顧客の純収益維持率。
kpi-expansion_rate = 拡大率
    .how = 月末の支払いが増えた顧客÷月初の顧客。
kpi-renewal_rate = 契約更新率
    .how = その月に更新時期を迎えた顧客のうち、以後もプランがある顧客。猶予日数以内の遅れは更新とみなします。
kpi-renewal_rate_value = 契約更新率（金額）
    .how = 継続したMRR÷更新対象のMRR。値上げ分は元の額で数えます。
kpi-nps = NPS
    .how = 直近91日の9〜10の割合から0〜6の割合を引いた値。中立者も分母に入ります（Reichheld 2003）。
kpi-active_rate = アクティブ率
    .how = 直近28日にコアイベントのある顧客÷月末に契約中の顧客。
kpi-onboarding_completion = オンボーディング完了率
    .how = 90日以内にすべての導入マイルストーンを達成した顧客÷90日以上前に開始した顧客。
kpi-arpa = 顧客あたりMRR
    .how = MRR÷顧客数。
kpi-ltv = 顧客生涯価値
    .how = 粗利率×顧客あたりMRR×新規顧客の期待継続月数（割引後。Fader & Hardie 2007、2010）。12か月に解約がなければ定まりません。
kpi-tickets_opened = チケット
    .how = その月に開かれたチケット。
kpi-ticket_resolution_rate = 解決率
    .how = その月に開かれたチケットのうち、月末までに解決した割合。
kpi-first_response_hours = 初回応答
    .how = その月に開かれ応答されたチケットの、初回応答までの時間の中央値。
kpi-escalation_rate = エスカレーション率
    .how = その月に開かれたチケットのうち、月末までにエスカレーションされた割合。
kpi-mrr_new = 新規MRR
    .how = 月初にはいなかった顧客の月末MRR。
kpi-mrr_expansion = 拡大MRR
    .how = 継続した顧客の増額分。
kpi-mrr_contraction = 縮小MRR
    .how = 継続した顧客の減額分。
kpi-mrr_churned = 解約MRR
    .how = 離れた顧客の月初MRR。

team-at_risk = リスクARR
    .how = 赤の顧客のARR
team-loss = 期待損失
    .how = Σ 解約確率×ARR
team-contacted = 赤への連絡
    .how = 7日以内
team-open = 未完了タスク
team-overdue = 期限超過
team-done = 完了（28日）
team-used = 稼働率
    .how = 稼働率：7日以内が期限の未完了タスク÷{ $n }（担当者が1週間に受ける新規アラート数、alerts.weekly_budget）。連絡：データ上の接点、完了したタスク、メモのいずれか。
team-hand_over = タスクの引き継ぎ
    .how = ある担当者の未完了タスクをすべて別の担当者に移します。顧客の担当は変わりません。顧客を移すには、上の担当者の顧客一覧で割り当ててください。
team-from = 引き継ぎ元
team-to = 引き継ぎ先
team-moved = { $n }件のタスクを引き継ぎました。
team-two_owners = 異なる2人の担当者を選んでください。
team-nobody = 担当者がまだいません
    .text = accounts.owner を対応付けてスコアリングすると、担当者ごとの行が表示されます。

proof-realised = スコアの結果
    .how = 実際に使われていたスコアと、その後に起きたことの比較です。スコア作成時に結果は知られていません。
proof-span =
    { $n ->
        [1] { $first }のスコアリング1回。
       *[other] { $first }〜{ $last }のスコアリング{ $n }回。
    }
proof-churned = 解約
proof-expected = 予測：{ $n }
proof-auc = 0.5は偶然、1は完全
proof-missed = 見逃し
    .how = 見逃し：緑のまま解約した顧客。全解約に占める割合とARR。
proof-alarms = 誤警報
    .how = 誤警報：赤でも継続した顧客。赤全体に占める割合。連絡したから継続した場合もあります（「連絡の効果」を参照）。
proof-bands = 判定別の解約
proof-band = 判定
proof-arr_lost = 失ったARR
proof-calibration = 予測と実際（人数の等しい10区分）。線上では両者が一致
proof-told = 予測
proof-happened = 実際
proof-versions = モデル：{ $versions }
proof-not_yet = 最初のスコアの結果は{ $on }以降にわかります。それまではバックテストを参照してください。
proof-backtest = 現行モデルのバックテスト
    .how = モデルが学習していない、学習より後のデータによる結果です。
proof-ratio = 予測÷実際
    .how = 1なら較正済み
proof-no_model = モデルが読み込まれていません。
proof-calls = 連絡の効果
    .how = 連絡した顧客と、無作為に連絡を控えた顧客の比較です。連絡の効果はこれによってのみわかります。
proof-arm = 群
proof-arm-contacted = 連絡あり
proof-arm-held_out = 連絡なし
proof-followed = 追跡完了
proof-avoided = 連絡により避けられた解約（95%区間）：{ $effect }
proof-saved = 1社あたり維持できたARR（95%区間）：{ $effect }
proof-too_early = 判断にはまだ早い段階です。追跡が必要な顧客数：{ $needed }
proof-ranked = アラートの上限はリスク順で配分しています。他の順位付けの方が役立つかは未判定です（churnml experiments rank）。
    .risk = アラートの上限はリスク順で配分しています。{ $since }の判定で、より良い順位付けは示されませんでした。
    .uplift = アラートの上限は連絡の効果順で配分しています。{ $since }にリスク順を上回ると示され、{ $until }まで有効です。
    .not_in_force = アラートの上限はリスク順で配分しています。{ $since }に連絡の効果順がリスク順を上回ると示されましたが、設定（experiments.rank_by_uplift）がないか、{ $until }に期限を迎えます。
proof-no_experiment = 実験を行っていないため、連絡の効果はわかりません。experiments.enabled を設定してスコアリングしてください。
proof-model = 現行モデル
proof-version = バージョン
proof-trained = 学習日
proof-verdict = 判定
proof-verdict-publishable = 公開可
proof-verdict-rules_only = ルールのみ
proof-horizon = 予測期間（日）
proof-promotions = 採用されたモデル
proof-since = 採用日
proof-why = 理由
proof-forced = 強制
proof-watch = 監視で分かったこと
    .how = { $as_of }の前日まで。データの警報、ドリフト、モデルがバックテストの約束どおりかを示します。
proof-alarm_since = { $on }から
proof-calm = 警報はありません。
proof-no_watch = まだ監視されていません。`churnml daily` は毎日、`churnml monitor` はすぐに監視します。
proof-retrainings = 再学習の記録
proof-retrained = 再学習
proof-recalibrated = 最新の解約率への調整
proof-outcome = 結果
proof-promoted = 採用
proof-not_promoted = 不採用
proof-data = 前回スコアリング時のデータ
proof-table = テーブル
proof-rows = 行数
proof-aside = 除外
proof-last = 最新の記録
proof-behind = 遅れ（日）
proof-covered = 対象顧客
proof-list = スコアされた顧客：{ $band }
    .how = 期間の終わったスコアと、その後の結果。

## The frame of every page

nav-today = 今日
nav-accounts = アカウント
nav-team = チーム
nav-company = 会社
nav-proof = 検証
nav-settings = 設定
frame-skip = 本文へ移動
frame-places = ページ
frame-language = 言語
frame-sign_out = サインアウト
frame-open = サインインなし
frame-search = アカウントを検索
frame-as_of = { $on }より前のデータに基づく
frame-note = 過去のデータに見られる関連であり、原因を示すものではありません。
frame-stale = スコアが古くなっています。{ $on }より前のデータ（{ $days }日前）に基づいています。判断の前に再スコアリングを依頼してください。
frame-unreachable = 現在ストアを読み取れません。以前に読み取った内容を表示しています。
frame-partial = スコアは一部のデータに基づいています。重みのうちデータがあるのは平均{ $share }です。
frame-rules = 解約モデルが合格基準に達していないため、スコアはルールに基づいています。
frame-steady = 横ばい
frame-numbers = 数値を表示
frame-csv = CSVをダウンロード
frame-request = リクエスト{ $id }
frame-undo = 元に戻す
frame-close = 閉じる
frame-keys = キーボード操作
frame-keys-on = これらのキーを使う
frame-key-find = アカウントを検索
frame-key-go = 「今日」または「アカウント」へ移動
frame-key-step = 次へ、前へ
frame-key-card = カード上で:連絡済み、完了、スヌーズ、リスクなし、担当変更
frame-key-undo = 元に戻す
frame-problem-unknown = ページが見つかりません
    .text = アドレスが間違っているか、ページが移動した可能性があります。
frame-problem-account = アカウントが見つかりません
    .text = 最新のスコアに含まれていません。名前で検索してください。
frame-problem-refused = 処理できませんでした
frame-problem-later = 現在ご利用いただけません
    .text = データは失われていません。しばらくしてからもう一度お試しください。
frame-problem-nothing = まだスコアリングされていません
    .text = `churnml score CONFIG` を実行してください。完了すると、このページに表示されます。

## The brief and the portfolio

page-account = アカウント
page-as_of = 基準日
page-health = ヘルススコア
page-probability = 解約確率
page-within = { $days }日以内、平均の{ $lift }倍
page-arr = ARR
page-expected_loss = 期待損失
page-coverage = データ充足率
page-raising = リスク上昇と関連する事実
page-lowering = リスク低下と関連する事実
page-context = 属性・契約条件
page-facts = 確認すべき事実
page-plays = 推奨アクション
page-owner = 担当
page-due = 期限
page-timeline = これまでの出来事
page-history = スコアの推移
page-none = 目立った要因はありません。
page-new_model = { $on }に新しいモデルへ切り替わりました。この時点の段差はモデルの違いによる可能性があり、傾向はここから改めて計算します。
page-moved = { $since }以降のヘルススコアの変化：{ $change }（データ{ $data }、重み{ $weights }、モデル{ $model }）。
page-changed = 主な変化：{ $parts }。
page-rules_only = 解約モデルが検証基準を満たさないため、ルールを使用しています。解約確率はルールにより、理由はヘルス指標のみから示しています。
page-note = 過去データにおける関連であり、因果関係を示すものではありません。効果の大きさは概算です。
page-sentiment = CSMの所感
page-effect-probability =
    { $n ->
        [0] ±0ポイント（解約確率）
       *[other] { SIGNED($n) }ポイント（解約確率）
    }
page-effect-health =
    { $n ->
        [0] ±0点（ヘルススコア）
       *[other] { SIGNED($n) }点（ヘルススコア）
    }
page-portfolio = 全アカウント一覧
page-band = 判定
page-segment = セグメント
page-renewal = 更新まで
page-days = { $days }日
page-search = 名称・ID
page-all = すべて
page-reasons = 主な理由
page-shown = 件表示
page-only = 全{ $total }件のうち、期待損失の大きい{ $shown }件を表示しています。上の件数は全体のものです。
page-set_by = { $author }が設定

## What goes with churn over all accounts

## 確率の水準

level-gap = 検証では、リスク順に10等分した{ $tenth }番目（10が最も高リスク）の予測は平均{ $told }、実際の解約は{ $happened }でした。

## 全顧客

overall-heading = { $company }：解約と関連する要因
overall-intro = { $first }から{ $last }までの{ $accounts }社・{ $rows }件の判定を、現在のモデル（予測期間{ $horizon }日）で説明しています。
overall-rules_only = モデルは検証基準を満たさず、ヘルススコアはルールのみで算出しています。このページは参考としてモデルの学習内容を示します。
overall-families = リスクを動かす要因（分類別）
overall-families_note = 解約の対数オッズに対する効果の絶対値の平均。分類内の特徴量は合算してから集計しています。
overall-share = 効果に占める割合（%）
overall-feature = 特徴量
overall-family = 分類
overall-part = 割合
overall-direction = 値が大きいほど
overall-more = リスクが高い
overall-less = リスクが低い
overall-mixed = 一方向ではない
overall-features = 影響の大きい特徴量
overall-summary = SHAPサマリー
overall-summary_note = 点は1件の判定。右にあるほどその特徴量がリスクを高めており、色は値の大小を表します。
overall-patterns = 解約顧客のパターン
overall-patterns_note = 解約顧客{ $churned }社を、解約前の最後の判定でリスクを高めていた要因によって分類しました。
overall-one_pattern = 解約顧客{ $churned }社に、はっきりしたグループ分けは見られません。リスクを高めた要因は種類ではなく程度の差であるため、全体の平均を1つだけ示します。
overall-too_few = パターンの抽出には解約顧客20社以上が必要です（現在{ $churned }社）。
overall-of_churned = 解約顧客の{ $share }（{ $accounts }社）
overall-lead = 通常、解約の{ $lead }前から表れる
overall-no_lead = 事前の判定には表れず
overall-example = 例：{ $account }（{ $on }）
overall-segments = セグメントによる違い
overall-segments_note = 各分類が解約の対数オッズを押し上げる度合いの、全体平均との差。差が{ $strong }以上のセルに色を付けています。
overall-segment = セグメント
overall-rows = 件数
overall-no_segments = 比較できるセグメントやプランがデータにありません。
overall-terminal_rows = { $accounts }社の{ $rows }件の判定、{ $first }～{ $last }
overall-terminal_patterns = 解約した{ $churned }社のパターン
overall-terminal_pattern = パターン
overall-terminal_accounts = 社数
overall-terminal_before = 兆候
overall-terminal_example = 例
overall-note = 過去データにおける関連であり、因果関係を示すものではありません。

## The health backtest

backtest-title = ヘルススコアは解約を予測できているか：{ $company }
backtest-intro = { $first }から{ $last }までの{ $dates }時点、{ $rows }件の判定のうち、{ $horizon }日以内の解約は{ $churned }件（全体の解約率{ $rate }）。各判定は、その日までに判明していた事実のみで算出しています。
backtest-rules_only = この期間ではモデルが検証基準を満たさないため、以下のスコアはルールのみで算出しています。
backtest-acceptance = 合格基準
backtest-line = 基準
backtest-wanted = 目標
backtest-holds = 達成
backtest-about = 「{ $line }」について：
backtest-fails = 未達
backtest-interval = 現在の設定の95%信頼区間は{ $low }～{ $high }（解約{ $churners }社）。
backtest-unseen = このうち{ $count }社は60〜90日前に緑でした（{ $causes }）。
backtest-would_hold = 解約顧客の3分の2は{ $edge }点未満でした。緑の下限をこの値にすると、判定の{ $share }が緑になります。同じ期間のデータから読み取った目安であり、将来を保証するものではありません。
backtest-bands = 判定別の解約率
backtest-band = 判定
backtest-readings = 件数
backtest-share = 割合
backtest-churned = 解約率
backtest-lift = リフト（95%区間）
backtest-told_over_happened = 予測÷実績（95%区間）
backtest-calibration = 判定別の予測と実績
backtest-calibration_note = モデルが予測した解約率と、実際の解約率。
backtest-warning = 事前検知
backtest-days_before = 解約までの日数
backtest-churners = 解約顧客（判定あり）
backtest-below_green = 緑未満
backtest-no_band = 判定なし
backtest-lead = 検知の早さ：解約顧客{ $churners }社の半数は、解約の{ $median }日以上前から緑未満でした（四分位{ $lower }日・{ $upper }日）。最後の判定が緑だった顧客は0日として数えます。
backtest-beside = スコアの比較
backtest-score = スコア
backtest-average_precision = 平均適合率
backtest-precision = 対応枠内の適合率
backtest-recall = 対応枠内の再現率
backtest-capacity_lift = 対応枠内のリフト
backtest-green = 緑の割合
backtest-capacity_note = 対応枠は、各時点の判定の{ $share }です。
backtest-weights = 重み
backtest-weights_note = すべてのデータがある場合の、スコア全体に占める割合（%）。「fitted」は過去の実績から学習した重み、その他は人が設定した重みです。
backtest-group = 分類
backtest-measure = 指標
backtest-sized = チームの対応力に合わせた赤のしきい値
backtest-sized_calls = { $date }時点の{ $accounts }社に対し、{ $weeks }週間で{ $calls }件まで対応できます。
backtest-sized_share = { $date }時点の{ $accounts }社のうち、{ $calls }社まで対応できます。
backtest-sized_now = 赤を{ $now }点未満とすると{ $red_now }社、{ $proposed }点未満とすると{ $red }社です。
backtest-sized_past = 全期間では、{ $proposed }点未満の判定に解約の{ $share }が含まれ、その解約率は{ $rate }（全体の{ $lift }倍）でした。
backtest-missed = 見逃した解約
backtest-missed_note = 解約顧客{ $churners }社のうち{ $missed }社は、最後の判定が緑または判定なしでした。スコアの高い順。
backtest-account = アカウント
backtest-reading = 判定日
backtest-health = ヘルス
backtest-probability = 解約確率
backtest-days_to_churn = 解約までの日数
backtest-why = 理由
backtest-alarms = 誤警報
backtest-alarms_note = 赤と判定されたが継続した件数は{ $count }件。スコアの低い順に、最も影響した指標とともに示します。
backtest-rules = ルール
backtest-model = モデル
backtest-costly = 最も影響した指標
backtest-chart_bands = 全体の解約率に対する倍率
backtest-chart_bands_alt = 判定別の解約率（全体に対する倍率）
backtest-chart_expected = モデルの予測
backtest-chart_happened = 実績
backtest-chart_churned = 解約率（%）
backtest-chart_calibration_alt = 判定別の予測解約率と実際の解約率
backtest-chart_days = 解約までの日数
backtest-chart_below = 緑未満の割合（%）
backtest-chart_warning_alt = 解約までの日数別に見た、緑未満だった解約顧客の割合
backtest-terminal_bands = 帯ごとの解約：{ $rows }件の判定、うち解約{ $churned }件、{ $first }～{ $last }
backtest-terminal_line = { $value }（目標 { $wanted }）
backtest-terminal_interval = 95%区間 { $low }～{ $high }
backtest-terminal_advice = { $setting } とすれば順位付けは良くなっていました：ROC AUC { $roc_auc }、差 { $gain }（95%区間 { $low }～{ $high }）。
backtest-terminal_report = レポート

## Monitoring: what an alarm on data, drift or performance says

alarm-MON101 = { $table }が止まっています。{ $day }以降の行がありません（通常なら約{ $expected }行）。
alarm-MON102 =
    .rows-fewer = { $table }:{ $days ->
        [1] { $day }の行数は{ $n }
       *[other] { $day }までの{ $days }日間の行数は{ $n }
    }で、通常の{ $expected }を大きく下回ります。
    .rows-more = { $table }:{ $days ->
        [1] { $day }の行数は{ $n }
       *[other] { $day }までの{ $days }日間の行数は{ $n }
    }で、通常の{ $expected }を大きく上回ります。
    .accounts-fewer = { $table }:{ $days ->
        [1] { $day }に行のあるアカウントは{ $n }
       *[other] { $day }までの{ $days }日間に行のあるアカウントは延べ{ $n }
    }で、通常の{ $expected }を大きく下回ります。
    .accounts-more = { $table }:{ $days ->
        [1] { $day }に行のあるアカウントは{ $n }
       *[other] { $day }までの{ $days }日間に行のあるアカウントは延べ{ $n }
    }で、通常の{ $expected }を大きく上回ります。
alarm-MON103 =
    .nulls = { $table }.{ $column }は{ $day }の{ $rows }行のうち{ $share }で空です（通常は{ $usual }）。
    .nulls-week = { $table }.{ $column }は{ $day }までの1週間の{ $rows }行のうち{ $share }で空です（通常は{ $usual }）。
alarm-MON104 = { $table }.{ $column }に{ $day }以降「{ $word }」が現れていません（通常なら約{ $expected }行）。
alarm-MON105 = { $table }.{ $column }では{ $day }の{ $rows }行のうち{ $share }がこれまでにない値です:{ $words }。
    .week = { $table }.{ $column }では{ $day }までの1週間の{ $rows }行のうち{ $share }がこれまでにない値です:{ $words }。
alarm-MON106 =
    .equal = { $table }:{ $day }の{ $rows }行のうち{ $share }が他の行とまったく同じです（通常は{ $usual }）。
    .equal-week = { $table }:{ $day }までの1週間の{ $rows }行のうち{ $share }が他の行とまったく同じです（通常は{ $usual }）。
    .set_aside = { $table }:新しい{ $of }行のうち{ $n }行が重複のため除かれました（{ $reason }、通常は{ $usual }）。
alarm-MON107 =
    .set_aside = { $table }:新しい{ $of }行のうち{ $n }行が使えませんでした（{ $reason }、通常は{ $usual }）。
alarm-MON108 =
    .rose = { $table }.{ $column }は{ $day }の{ $rows }行のうち{ $share }で、同じアカウントの前回より高い値です（通常は{ $usual }）。
    .rose-week = { $table }.{ $column }は{ $day }までの1週間の{ $rows }行のうち{ $share }で、同じアカウントの前回より高い値です（通常は{ $usual }）。
    .fell = { $table }.{ $column }は{ $day }の{ $rows }行のうち{ $share }で、同じアカウントの前回より低い値です（通常は{ $usual }）。
    .fell-week = { $table }.{ $column }は{ $day }までの1週間の{ $rows }行のうち{ $share }で、同じアカウントの前回より低い値です（通常は{ $usual }）。
alarm-MON109 = { $table }:{ $day }より前にあった{ $of }行のうち{ $n }行がなくなっています。
alarm-MON110 = { $day }から{ $n }日間、どの表にも新しいデータがありません。
alarm-MON201 = { $feature }が学習時から変化し（PSI { $psi }）、予測の平均を{ SIGNED($effect) }動かしています。
alarm-MON202 = スコアの分布が学習時と異なります（PSI { $psi }）。平均は{ $now }、学習時は{ $then }でした。
alarm-MON301 = { $day }のスコアの順位付けはバックテストの見込みを下回りました。AUC { $found }（見込み{ $promised }）。
alarm-MON302 = { $day }に採点した{ $accounts }のうち{ $n }社が解約しました。確率からの見込みは{ $expected }社で、偶然の範囲を超えています。
alarm-MON303 = { $day }のスコアからは、バックテストの見込みより低い順位付けが予想されます。AUC { $found }（見込み{ $promised }）。結果はまだ分かっていません。

retrain-MON401 =
    .none = モデルがまだありません。
    .configured = モデルは学習から{ AMOUNT($age) }たっています。設定では{ AMOUNT($due) }で再学習します。
    .measured = モデルは学習から{ AMOUNT($age) }たっています。バックテストでは{ AMOUNT($due) }を超えると新しいモデルに偶然の範囲を超えて劣りました。
    .usual = モデルは学習から{ AMOUNT($age) }たっています。劣化は測れなかったため、目安の半年を用います。
retrain-MON402 = { $n }件の特徴量が変化し、予測も動いています。{ $said }
retrain-moved = 確率を最新の確定した解約率に合わせました。{ $accounts }のうち{ $n }社が解約し、見込みは{ $expected }社でした。順位は変わりません。
retrain-MON403 = モデルの順位付けが見込みを下回りました。{ $said }

# APIの回答に添える警告
warning-no_snapshot = まだ一度もスコアリングされていません。
warning-stale = 元になったデータは{ $days }日前のものです。
warning-rules_only = モデルがルールを上回らなかったため、ルールを使っています。解約確率と想定損失はルールから、ヘルススコアはその指標から計算しています。
warning-model_changed = 現在のモデルは{ $now }ですが、この結果は{ $then }で計算されています。
warning-config_changed = この結果を計算した後に設定が変更されています。
warning-low_coverage = ヘルススコアの重みのうち、データがあったのは{ $share }だけです。
warning-many_missing = モデルの特徴量{ $total }個のうち{ $missing }個が渡されず、欠損として扱われました。
warning-unknown_word = { $feature }のこの値はモデルの知らないもので、欠損として扱われました。
warning-no_coverage = ヘルススコアに使う特徴量が一つも渡されなかったため、ヘルススコアはありません。

monitor-title = { $name }の監視（{ $as_of }の前日）
monitor-no_alarm = 警報はありません。データの検定{ $tests }件、誤報の見込みは月{ $budget }件以下です。
monitor-alarms = 警報{ $n }件
monitor-new = 新規
monitor-severe = 重大
monitor-what_to_do = 各コードの意味と対処:docs/monitoring.md
monitor-tables = 表
monitor-table = 表
monitor-newest = 最新の行
monitor-last_day = 当日の行数
monitor-usual_day = 通常
monitor-last_week = 7日間の行数
monitor-codes = 警報
monitor-unjudged = 履歴が短く判定できない表:{ $tables }。
monitor-held = 公開を見合わせています（monitoring.publish_if）。
monitor-due = 再学習が必要です:
monitor-not_due = 再学習はまだ不要です。学習から{ AMOUNT($age) }、目安は{ AMOUNT($due) }です。
monitor-no_model = モデルがまだないため、データだけを判定しました。
monitor-promised = 見込み
monitor-realised = 実績
monitor-expected = 予想
monitor-performance = 性能
monitor-nothing_mature = 結果の確定した採点はまだありません。
monitor-snapshot = 採点日
monitor-churned = 解約
monitor-expected_churned = 見込み
monitor-accounts = アカウント
monitor-lift = 上位10%のリフト
monitor-log_loss = 対数損失
monitor-drift = 学習時からの変化
monitor-feature = 特徴量
monitor-psi = PSI
monitor-effect = 予測平均の変化
monitor-no_drift = 偶然の範囲を超えて変化した特徴量はありません。
monitor-written = { $path }に書き出しました

## Who acts

owner-csm = CSM
owner-team = チーム
owner-system = 自動
owner-support = サポート
owner-finance = 経理
owner-manager = マネージャー
owner-sales = 営業

backtest-name-configured = 現在の設定
backtest-name-reference = reference
backtest-name-balanced = balanced
backtest-name-fitted = fitted（学習）
backtest-name-rules_alone = ルールのみ
backtest-name-model_alone = モデルのみ

backtest-line-red_lift = 赤の解約率は全体の3倍以上
backtest-line-early_warning = 解約顧客の3分の2以上が60〜90日前に緑未満
backtest-line-green_share = 緑は全体の80%以下

backtest-cause-unknown_band = データ不足で判定なし
backtest-cause-rules_outvoted_model = モデルは緑未満、ルールが上回った
backtest-cause-model_outvoted_rules = ルールは緑未満、モデルが上回った
backtest-cause-neither = ルールもモデルも検知せず
backtest-causes-joint = 、
backtest-cause = { $cause }（{ $count }）

## Patterns of those who left

pattern-engagement = 利用の低迷
pattern-adoption = 機能活用の不足
pattern-support = サポートの問題
pattern-sentiment = 満足度の低下
pattern-commercial = 契約・支払い
pattern-relationship = 関係の希薄化
pattern-onboarding = 導入の停滞
pattern-none = 目立った要因なし
pattern-one = { $first }
pattern-two = { $first }＋{ $second }

## モデルカード

card-heading = モデルカード：{ $title } { $version }
card-verdict = 判定
card-trained = 学習日時
card-scored_by = 確率の出所
card-beside = 回帰との比較
card-kind = 種類
card-tuning = パラメータ探索
card-config_hash = 設定のハッシュ
card-seed = シード
card-intended = 用途
card-intended_text = { $days }日以内の{ $noun }確率で顧客を並べ、誰を先に見るかを人が決めるためのものです。価格や契約など、人を介さない決定や、個人の評価には使わないでください。
card-data = データ
card-snapshots = スナップショット
card-span = { $from }～{ $until }
card-rows = 行数
card-rows_of = { $accounts }社、{ $rows }行
card-learnt = 学習に使った行
card-learnt_rows = { $rows }行：解約した行はすべて、それ以外は抽出した行で、1行が複数の行を代表する
card-of = { $whole }中{ $part }
card-features = 特徴量
card-fingerprint = フィンガープリント
card-metrics = 指標
card-tested_text = 日付によるバックテスト：各フォールドは過去のデータだけで学習・調整・較正しています。{ $accounts }社、{ $rows }行、{ $from }～{ $until }、{ $happened }{ $churned }件。区間は顧客単位の再抽出によります。
card-metric = 指標
card-value = 値
card-interval = 95%区間
card-can_contact = チームは1スナップショットあたり顧客の{ $share }に連絡できます。
card-lead = 最初の警告から{ $noun }までの日数：中央値{ $median }日（四分位{ $lower }日と{ $upper }日）、{ $share }は30日以上前。
card-contacting = 連絡する範囲
card-cases = 件数
card-caught = 捕捉率（95%）
card-their_arr = ARR捕捉率（95%）
card-precision = 適合率（95%）
card-lift = リフト（95%）
card-contacted = 連絡率
card-plain = { $name }
card-part = { $segment } = { $value }
card-own =
    .arr = ARR
    .tenure = 利用期間
card-is =
    .low = 下位
    .middle = 中位
    .high = 上位
    .first = 1年目
    .later = 2年目以降
card-all = 全体
card-profit = 想定した引き止め率では、この順位による最良の施策の価値は1社あたり{ $worth } { $currency }（期待最大利益。同じ顧客を二度数えないよう、{ $every_days }日以上間隔をあけた{ $campaigns }回の施策による）。利益曲線の下の面積は完全な順位の{ $area }です。
card-baselines = ベースライン
card-gain_note = 0を超える差はモデルに有利です。
card-baseline = ベースライン
card-roc_auc = ROC AUC（95%）
card-log_loss = 対数損失
card-auc_gain = AUCの差（95%）
card-loss_gain = 対数損失の差（95%）
card-folds = フォールド
card-fold = フォールド
card-fold_name = フォールド{ $n }
card-trained_until = 学習の末日
card-tested = 検証期間
card-calibration_error = 較正誤差
card-retrain = 推奨：{ $months }か月ごとに学習し直す。
backtest-long_terms = 契約期間が180日を超えるアカウントの離脱{ $days }日前: { $churners }件のうち{ $share }が緑未満（該当アカウントの全評価では{ $green }が緑）
card-survival = 生存曲線
card-survival_brier = 積分Brierスコア（12か月）
card-survival_gain = ハザードモデルの改善幅（95%）
card-survival_far = { $day }時点の{ $accounts }アカウント、うち12か月以内の離脱{ $lost }件:
card-survival_near = { $days }日以内、{ $rows }行（うち離脱{ $lost }件）:
card-survival_own = 曲線単独
card-survival_horizon = { $days }日のモデル
card-survival_limits = この判定は過去の1時点に基づきます。ラベルの期間より先の更新については分かることが少ないため、アカウント単位の判断には使わないでください。
card-survival_limits_silence = この判定は過去の1時点に基づきます。離脱とは{ $days }日間利用がないことなので、それより早く離脱とはなりません。曲線は、そこまで追跡できた顧客が30社未満になる時点で終わります。
card-treatment = 連絡とその後の結果
card-arm =
    .untreated = 連絡なし
    .treated = 連絡あり
treatment-too_few = 予測の{ $share }は、その後{ $days }日以内に連絡がありました。どちらか一方の解約が少なすぎるため、連絡が結果を変えたかどうかは判断できません。
treatment-none = 予測の{ $share }は、その後{ $days }日以内に連絡がありました。予測÷実績は連絡ありで{ $told }、連絡なしで{ $others }で、偶然を超える差はありません。
treatment-bent = 予測の{ $share }は、その後{ $days }日以内に連絡があり、その顧客の解約は予測より少なくなりました（予測÷実績は{ $told }、連絡なしでは{ $others }）。連絡が解約を防いだか、見かけより安全な顧客に連絡していたかのどちらかです。この結果から学習したモデルは、連絡しない顧客のリスクを低く見積もります。評価は連絡のなかった顧客で見てください。
treatment-worse = 予測の{ $share }は、その後{ $days }日以内に連絡があり、その顧客の解約は予測より多くなりました（予測÷実績は{ $told }、連絡なしでは{ $others }）。モデルに見えない問題のある顧客に連絡していたと考えられます。
card-horizons = その他の予測期間
card-horizons_note = それぞれ独自のモデル（シード{ $seeds }個）を持ち、{ $days }日の確率に合わせる前に独自のフォールドで評価しています。期間が長いほど確率が小さくなることはありません。
card-horizon = 予測期間（日）
card-segments = セグメント
card-segment = セグメント
card-rate = { $noun }率
card-mean_probability = 平均確率
card-no_segments = 単独で評価できる大きさのセグメントはありませんでした。
card-calibration = 較正
card-method = 方法：{ $name }。
card-tenths = スコアの十分位、低い順：
card-figures = 予測÷実績 { $ratio }（{ $ratio_low }～{ $ratio_high }）、傾き { $slope }（{ $slope_low }～{ $slope_high }）、較正誤差 { $error }（{ $error_low }～{ $error_high }）：95%区間、顧客を1回ずつ数えます。較正されていれば比と傾きは1です。
card-goes_by = モデルの根拠
card-contributions = 対数オッズへの寄与（SHAP）の絶対値の平均、分類別。
card-learned_only = これは学習したモデルのものです。公開される値は{ $by }によります。
card-family = 分類
card-share = 割合
card-strongest = 最も強い特徴量
card-limits = 限界
card-plots = 図
card-made_with = 使用したもの
card-outcome =
    .beats = 上回る
    .level = 同等
    .loses = 下回る
card-direction =
    .more_is_riskier = 多いほど危険
    .more_is_safer = 多いほど安全
    .depends = 一様でない
    .by_word = 値による
card-by-model = モデル
card-by-rule = ルール「{ $rule }」
card-rule =
    .base_rate = 基準率
    .recency = 最終利用からの日数
    .reference = 標準ヘルススコア
    .rfm = 最終利用日・頻度・金額
    .logistic = 全特徴量のロジスティック回帰
    .blend = 木と回帰の平均
card-named =
    .base_rate = 基準率
    .recency = 最終利用日
    .reference = 標準ヘルス
    .rfm = RFM
    .logistic = ロジスティック回帰
    .blend = 平均モデル
card-happened =
    .churn = 解約
    .expansion = 拡大
    .contraction = 縮小
card-one =
    .churn = 解約顧客
    .expansion = 拡大する顧客
    .contraction = 縮小する顧客
card-other =
    .churn = 継続顧客
    .expansion = そうでない顧客
    .contraction = そうでない顧客
card-many =
    .churn = 解約顧客
    .expansion = 拡大する顧客
    .contraction = 縮小する顧客
card-likeliest =
    .churn = 最も危険な
    .expansion = 最も見込みの高い
    .contraction = 最も見込みの高い
card-means-roc_auc = ROC AUC：{ $one }が{ $other }より上位になる確率
card-means-average_precision = 平均適合率：全再現率にわたる適合率、下限は基準率
card-means-log_loss = 対数損失（ナット）、小さいほど良い
card-means-brier = ブライアスコア、小さいほど良い
card-means-ece = 較正誤差：確率と{ $noun }率の平均的な差、小さいほど良い
card-means-lift_at_10 = { $likeliest }上位1割の、基準率に対するリフト
card-means-recall_at_10 = { $likeliest }上位1割に入る{ $many }の割合
card-means-precision_at_10 = { $likeliest }上位1割の{ $noun }率
card-means-recall_at_capacity = チームが1スナップショットに連絡できる範囲に入る{ $many }の割合
card-means-revenue_recall_at_capacity = 同じくARRで
card-starts-later = スナップショットの{ $days }日後
card-starts-at_once = スナップショット当日
card-ends-contractual = 最後の契約が終わり、{ $days }日以内に次の契約がない
card-ends-silence = { $days }日間まったく利用がない
card-window = ラベルの期間は{ $days }日間で、{ $start }に始まります。
card-label-churn = 「{ $what }」とき解約とみなします。{ $window }
card-label-contraction = MRRが{ $share }以上減り、契約が続くとき縮小とみなします。「{ $what }」ときは解約であり、縮小ではありません。{ $window }
card-label-expansion = { $signs }とき拡大とみなします。{ $window }
card-either = { $first }または{ $second }
card-sign-mrr = MRRが{ $share }以上増える
card-sign-seats = 席数が{ $share }以上増える
card-sign-deals = アップセルまたはクロスセルを受注する
card-limit-horizon = { $days }日の予測期間：{ $reason }
card-limit-rules_only = モデルは基準に届かなかったため、その確率は公開されません。スコアはルールに戻り、確率は{ $by }、ヘルスは各指標によります。
card-limit-few = { $happened }した{ $accounts }社から学習しました。区間は広く、個々の特徴量は当てになりません。
card-limit-folds = 履歴から作れたバックテストのフォールドは{ $wanted }個中{ $count }個でした。
card-limit-too_high = { $part }では確率が{ $points }ポイント高すぎました。
card-limit-too_low = { $part }では確率が{ $points }ポイント低すぎました。
card-limit-tenth = リスクの第{ $tenth }十分位（10が最も危険）では予測と実績が誤差を超えて異なります：予測{ $told }、{ $happened }{ $share }。
card-limit-scope = 確率はスナップショットから{ $days }日間、学習期間と同様の顧客について有効です。新しい製品・価格・市場は対象外です。
card-limit-causes = 寄与はモデルの根拠を示すもので、{ $noun }の原因を示すものではありません。想定した引き止め率（{ $rate }）は、無作為に割り当てて試すまでは仮定です。
card-limit-causes_other = 寄与はモデルの根拠を示すもので、{ $noun }の原因を示すものではありません。並べて示すヘルススコアはルールだけで作られ、解約についてのものです。
card-plot =
    .roc = ROC
    .precision_recall = 適合率と再現率
    .calibration = 較正
    .lift_gain = リフトとゲイン
    .score_distribution = スコアの分布
    .backtest_over_time = バックテストの推移
    .shap_summary = SHAPの要約
    .shap_dependence = SHAPの依存

## The commands: what several of them say

cli-error = エラー：
error-line =
    .where =
        { $before }
        { "  " }場所：{ $said }
    .got =
        { $before }
        { "  " }実際：{ $said }
    .expected =
        { $before }
        { "  " }期待：{ $said }
    .remedy =
        { $before }
        { "  " }対処：{ $said }
error-bug = 想定していないエラーが起きました：{ $kind }：{ $said }
    .remedy = { $file } の詳細を添えて報告してください
error-check = { $code } { $what }
cli-interrupted = 中断しました。書きかけのものは残っていません。
cli-written = { $path } に書き出しました
cli-off = { $why }：{ $names } は使いません
cli-event = { $actor }：{ $action }
cli-action =
    .opened = 発生
    .updated = 更新
    .acknowledged = 確認
    .snoozed = 保留
    .woken = 保留から復帰
    .closed = 終了
    .reopened = 再開
    .reassigned = 担当変更
    .noted = メモ
    .released = 上限を解除
    .begun = 開始
    .done = 完了
    .skipped = 省略
    .cancelled = 取消
verdict-is =
    .publishable = 公開可
    .rules_only = ルールのみ

## 元データの検査：見つけるものと対処

check-CHK001 = 入力元がない
    .remedy = 設定の `from` または `source` を直してください。
check-CHK002 = 入力元が読めない
    .remedy = テーブルをCSV、JSON Lines、Parquet、Excelブックのいずれかで出力し直してください。
check-CHK003 = 空のテーブル
    .remedy = テーブルを出力し直すか、`where` を緩めるか、設定からテーブルを外してください（その特徴量は使えなくなります）。
check-CHK004 = 不明な列
    .remedy = 設定の列名を直してください。
check-CHK005 = SQLの失敗
    .remedy = SQLを直してください。元の列に対するDuckDBの方言です。
check-CHK006 = 対応付けのない列
    .remedy = 元の列を対応付けるか、`{ "{" }value: …{ "}" }` で定数を与えてください。
check-CHK007 = 形の崩れた行
    .remedy = 文字列の項目を引用符で囲んで、ファイルを出力し直してください。
check-CHK010 = 必須の値がない
    .remedy = 元データで行を補うか、`where` で除いてください。
check-CHK011 = 日付を読めない
    .remedy = 列に `format` を指定してください。
check-CHK012 = 数値を読めない
    .remedy = 1.234,50 の形なら `decimal: ","` を指定するか、数値だけを残す `expr` で列を対応付けてください。
check-CHK013 = はい・いいえを読めない
    .remedy = 語を対応付けてください：`words: { "{" }はい: true, いいえ: false{ "}" }`。
check-CHK014 = 範囲外の値
    .remedy = 元データで行を直すか、`where` で除いてください。
check-CHK015 = 不明な語
    .remedy = `words: { "{" }元の語: 標準の語{ "}" }` で対応付けてください。`"*"` はその他すべての語を表します。
check-CHK016 = 開始より前の終了
    .remedy = 二つの列が入れ替わっていないか、別の時間帯から来ていないか確認してください。
check-CHK017 = 未来の日付
    .remedy = 元データの日付を直してください。
check-CHK018 = かけ離れた日付
    .remedy = 元データの日付を直すか、`where` で行を除いてください。
check-CHK019 = ありえない日付
    .remedy = 元データの日付を直すか、実際に起きた日を示す列を対応付けてください。
check-CHK020 = 完全な重複
    .remedy = 残した行が同じ内容を持っています。出力に同じファイルが二度入っていないか確認してください。
check-CHK021 = キーの重複
    .remedy = 一意なキーを対応付けるか、`where` で古い版を除いてください。
check-CHK022 = 不明な顧客
    .remedy = 両テーブルのIDを比べてください：同じ種類か、`accounts` の出力は完全ですか。
check-CHK023 = 保存できないID
    .remedy = 顧客を識別する列を対応付けてください。この列には文章が入っているようです。
check-CHK024 = IDのない同一の行
    .remedy = IDを対応付けてください。同じ事実が二度出力されているなら、テーブルに `equal_rows: merge` を指定してください。
check-CHK025 = whereで除かれた行
    .remedy = 値がないことの意味を明示してください：`status IS DISTINCT FROM 'draft'` または `coalesce(status, …)`。
check-CHK026 = 一致しないID
    .remedy = 両テーブルのIDを比べてください。どちらも顧客を同じ形で示す必要があります。
check-CHK027 = 一つの顧客がほぼすべてを持つ
    .remedy = account_id に対応付けた列が何を識別するか確認してください。顧客以外を指す行は `via` で引き当てます。
check-CHK028 = 顧客の利用期間外の事実
    .remedy = 両テーブルの時間帯と列を確認してください。実際にそうであれば、期間の集計にはそのまま含まれます。
check-CHK029 = MRRが0の契約
    .remedy = `label.trials` を選んでください：`count`（終了を解約とする、既定）または `leave_out`。
check-CHK030 = 起きる前に分かっている
    .remedy = `known_at` に対応付けた列を確認してください。代わりに事実そのものの時刻を使います。
check-CHK031 = 任意項目の不明な語
    .remedy = `words: { "{" }元の語: 標準の語{ "}" }` で対応付けてください。`"*"` はその他すべての語を表します。
check-CHK032 = 終わりのない終了日
    .remedy = 対処は不要です。
check-CHK033 = 任意項目の読めない値
    .remedy = 列に `format`、`decimal`、`words` のいずれかを指定するか、元データの値を直してください。
check-CHK034 = 任意項目の範囲外の値
    .remedy = 元データの値を直すか、正しい単位にする `expr` で列を対応付けてください。
check-CHK035 = 日付なしを表す仮の値
    .remedy = 実際にそうであれば対処は不要です。そうでなければ元データの日付を直してください。
check-CHK036 = 別の時間帯での日
    .remedy = 日の基準となる時間帯を列の `timezone` に指定してください。
check-CHK037 = 複数の通貨
    .remedy = `expr` で換算するか（`amount * CASE currency WHEN 'EUR' THEN 1.08 ELSE 1 END`）、`where` で一つの通貨だけを読み込んでください。
check-CHK040 = 除外した行が多すぎる
    .remedy = 最も多い理由の対処に従うか、`source.max_rejected_share` を上げてください。
check-CHK041 = 観測期間がない
    .remedy = 日付のある事実を持つテーブルを対応付けてください。
check-CHK042 = 二通りに読める数値
    .remedy = 列に `decimal: ","` または `decimal: "."` を指定してください。
check-CHK043 = 早く終わるテーブル
    .remedy = テーブルを出力し直してください。まだ含まれていないことは、起きなかったように見えます。
check-CHK044 = 時間帯のない時刻
    .remedy = 入力元に `timezone` を指定してください。
check-CHK045 = 二通りに読める日付
    .remedy = 入力元に `date_order` を指定してください。
check-CHK046 = 壊れたSalesforceのID
    .remedy = 表計算ソフトなどが文字の大小を変えています。出力し直し、IDは文字列のまま扱ってください。
check-CHK047 = 複数通貨の金額
    .remedy = `rates` に日付のある為替表を指定してください。
check-CHK048 = 循環して統合された記録
    .remedy = ツールの記録、または対応表を直してください。
check-CHK049 = 既知の顧客でないツールの記録
    .remedy = 未対応の記録のファイルを補い、`identities` に指定してください。
check-CHK050 = 個人に関わると思われる列
    .remedy = 個人のIDでなければ外してください。IDが特徴量になることはありません。
check-CHK051 = 語が特徴量になる列の個人データ
    .remedy = 別の列を対応付けるか、`null` で外してください。
check-CHK052 = 互いに傘下にある顧客
    .remedy = ツールでいずれかの親会社を直すか、`null` で列を外してください。
check-CHK053 = 顧客でない親会社
    .remedy = その顧客もエクスポートしてください。そのままでも、傘下の顧客は親会社のIDで1つのグループになります。

## データ：読み込みの結果

data-observed = 観測期間は{ $from }から{ $until }（当日は含まない）。根拠：{ $by }
data-observed-by =
    .events = イベント
    .facts = 事実
    .config = 設定
data-derived_accounts = accountsが対応付けられていません：{ $n }件の顧客を事実から導き、最初の事実の日を作成日とします
data-not_mapped = { $table }が対応付けられていません：{ $what }は使えません
data-off-subscriptions = 契約の特徴量（MRR、席数、更新）と売上のKPI
data-off-events = 利用の特徴量（利用度、定着）
data-off-tickets = サポートの特徴量
data-off-surveys = 満足度の特徴量（NPS）
data-off-contacts = 推進者と管理者の特徴量
data-off-touchpoints = 電話・メール・会議の特徴量
data-off-invoices = 支払期日を過ぎた請求書の特徴量
data-off-campaign_events = キャンペーン反応の特徴量
data-off-milestones = 導入の特徴量
data-off-opportunities = 商談によるアップセルと更新のKPI
data-no_history = accountsに履歴がありません（known_atが対応付けられていません）：{ $columns }はその後変わった可能性があるため、表示しますが特徴量にはしません
data-attributes = 追加で残す顧客属性：{ $names }
    .no_history = 追加で残す顧客属性：{ $names }。履歴がないため、変わらない属性だけを特徴量にできます
data-set_aside = { $table }：{ $reason }。{ $remedy }
data-reason = { $code } { $name }{ $place }：{ $rows }行{ $example }
    .values = { $code } { $name }{ $place }：値{ $rows }件{ $example }
    .place = （{ $column }）
    .example = 、例：{ $example }
data-file_reason = { $code } { $name }：{ $column }
data-malformed_line = CHK007 { $file } の{ $line }行目の形が崩れています：{ $said }
    .json = CHK007 { $file } の形の崩れた行：JSONオブジェクトではありません
data-changed = { $code } { $table }.{ $column }：値{ $rows }件：{ $name }（{ $examples }）。{ $remedy }
data-where = { $table }：whereにより{ $n }行を除きます
data-where_undecided = CHK025 { $table }：whereにより{ $n }行を除きます。うち{ $undecided }行は値がなく、条件が真とも偽とも決まりません。{ $remedy }
data-where_better = 含めるべき行なら `where: { $better }` と書いてください。
data-equal_rows = CHK024 { $table }：{ $n }行が他の行と同一で、固有のIDがありません。他の行と同じく数えます{ $stake }。{ $remedy }
    .merged = CHK024 { $table }：{ $n }行が他の行と同一で、固有のIDがありません。除きます{ $stake }。
    .stake = （{ $column }の合計{ $sum }）
data-about = 約{ $n }
data-currencies = CHK037 { $table }.{ $column }：一つの列に{ $n }種類の通貨があります：{ $listed }。金額はそのまま合計されます。{ $remedy }
data-currency = { $code } { $n }行（例：{ $example }）
data-and_more = { $listed }ほか{ $n }種類
data-ids_never_meet = CHK026 { $table }.account_id：{ $table }の顧客{ $of }件中{ $missing }件（{ $examples }）が{ $reference }（{ $there }）にありません。それ以外の顧客では{ $table }の内容がすべて0になります。{ $remedy }
data-one_account = CHK027 { $table }.account_id：顧客{ $accounts }件のうち{ $account }だけで{ $rows }行中{ $most }行を占めます。{ $remedy }
data-outside_life = CHK028 { $table }：{ $rows }行のうち{ $outside }。前の行は顧客の利用として集計されます。後の行は対象外の顧客のものです。{ $remedy }
    .before = { $n }行が顧客の作成より前（例：{ $account }）
    .before_contract = { $n }行が顧客の最初の契約より前（例：{ $account }）
    .after = { $n }行が最後の契約の終了後（例：{ $account }）
    .both = { $before }、{ $after }
data-trials = CHK029 subscriptions.mrr：{ $n }件の顧客にはMRRが0の契約（試用、無料プラン。例：{ $account }）しかなく、その終了は解約と数えます。{ $remedy }
    .unknown = label.trialsはleave_outですが、subscriptions.mrrが対応付けられていないため、契約は除かれません
    .left_out = subscriptions：MRRが0の契約{ $n }件を除きます（label.trials）
data-ends_early = CHK043 { $table }：テーブルは{ $on }で終わり、データの終わり（{ $until }）より{ $days }日早いです。{ $remedy }
    .contracts = CHK043 { $table }：テーブルは{ $on }で終わり、データの終わり（{ $until }）より{ $days }日早いです。その後に終了または更新された契約は、そうでなかったように見えます。{ $remedy }
data-converted = { $table }：{ $counted }を、その日（{ $day }）の為替で{ $currency }に換算しました
data-rows_in = { $code } { $n }行
    .from = { $first }以降の{ $code } { $n }行
data-repeated_headers = { $table }：見出しを繰り返す{ $n }行を除きます
data-would_be_known = { $table }：`{ $key }: …`（{ $object }）を加えると分かること：{ $gain }
data-versions = { $table }：{ $n }行は古い版または重複です（{ $of }）
data-lookup = { $table }：{ $n }行の{ $column }が{ $other }にないため、顧客が付きません
    .several = { $table }：{ $n }行の{ $column }に{ $other }が複数の顧客を与えるか、一つも与えないため、顧客が付きません
data-matched = { $tool }：事実のある記録{ $of }件中{ $matched }件が既知の顧客です（{ $ways }）
data-matched_by = { $how } { $n }件
data-matched_by_none = なし
data-unmatched = CHK049 { $matched }。{ $unmatched }件は不明（{ $unmatched_rows }行、ARR { $unmatched_arr }）、{ $several }件は複数候補（{ $several_rows }行、ARR { $several_arr }）です。{ $remedy }
data-personal = CHK050 { $table }：{ $columns }。{ $remedy }
data-personal_column =
    .name = { $column }（{ $kind }、列名から）
    .values = { $column }（{ $kind }、値から）
personal-email = メールアドレス
personal-phone = 電話番号
personal-person = 個人名
personal-ip = IPアドレス
personal-birthday = 生年月日
personal-address = 住所
personal-identity = 身分証番号

## データ：二つのテーブルのIDが異なる理由

ids-differ = ほとんどは{ $other }にありますが、{ $difference }が異なります：{ $remedy }。
ids-both = 両テーブルの列を { $expr } で対応付けてください
ids-one = { $table }のaccount_idを { $expr } で対応付けてください
ids-ascii = ASCIIで書いてください：{ $expr }
ids-cause-salesforce = 最後の3文字（Salesforceはレポートでは15文字、APIでは18文字のIDを書きます）
ids-cause-case = 大文字と小文字
ids-cause-zeros = 先頭の0
ids-cause-decimals = 末尾の小数（`.0`）
ids-cause-space = 途中の空白
ids-cause-full_width = 全角の文字や数字
ids-cause-accents = アクセント記号
ids-cause-signs = ハイフン、括弧などの記号
ids-cause-prefix = 接頭辞（{ $prefix }）
ids-cause-before = 最後の記号（`/ : | # @`）より前の部分
ids-cause-behind = IDの後ろの部分

## データ：問題のある値への対処

remedy-no_date = 日付がないという意味の語なら、そう指定してください：`{ $words }`。
remedy-no_number = 数値がないという意味の語なら、そう指定してください：`{ $words }`。
remedy-yes_no = 語の意味を `true`、`false`、`null` で指定してください。例：`{ $words }`。
remedy-format = 列に `format` を指定してください。
    .mixed = 列に `format` を、形式が混ざっている場合は `expr` を指定してください。
    .other = `format: '{ $form }'` に合いません。それを外す場合：{ $remedy }
    .one = 列に `format: '{ $form }'` を加えてください。{ $n }件の例をすべて読めます。
    .one_most = 列に `format: '{ $form }'` を加えてください。{ $of }件中{ $n }件の例を読めます。
    .two = 列に { $forms } を加えてください。どちらも{ $n }件の例をすべて読めるため、どちらの意味かは人が決める必要があります。
    .two_most = 列に { $forms } を加えてください。どちらも{ $of }件中{ $n }件の例を読めるため、どちらの意味かは人が決める必要があります。
    .several = 列に { $forms } を加えてください。いずれも{ $n }件の例をすべて読めるため、どの意味かは人が決める必要があります。
    .several_most = 列に { $forms } を加えてください。いずれも{ $of }件中{ $n }件の例を読めるため、どの意味かは人が決める必要があります。
remedy-either = { $one } または { $other }
remedy-excel_days = Excelの日付番号のようです：列を `{ $expr }` で対応付けてください。
remedy-unix =
    .seconds = Unix時刻（秒）のようです：列を `{ $expr }` で対応付けてください。
    .milliseconds = Unix時刻（ミリ秒）のようです：列を `{ $expr }` で対応付けてください。
    .microseconds = Unix時刻（マイクロ秒）のようです：列を `{ $expr }` で対応付けてください。
    .nanoseconds = Unix時刻（ナノ秒）のようです：列を `{ $expr }` で対応付けてください。
remedy-comma = 列に `decimal: ","` を指定してください：ここではコンマが小数点です。
remedy-point = ここではピリオドが小数点です：`decimal: ","` を外すか、`decimal: "."` を指定してください。
remedy-whole = この列は整数の{ $unit }を数えます：別の列を対応付けるか、`{ $expr }` としてください。
remedy-unit = { $unit } を取り除いてください：`{ $expr }`。
remedy-number = 数値だけを残す `expr` で列を対応付けてください。例：`{ $expr }`。
remedy-percent = 整数で書かれた百分率のようです：`{ $expr }`。
remedy-scale = 尺度は{ $unit }です：それに合わせる `expr` で列を対応付けてください。例：`{ $expr }`。
remedy-placeholder = 日付がないという意味なら対処は不要です。明示する場合：`{ $expr }`。
remedy-leave_out = { $remedy } または列を外してください：`{ $column }: null`。
remedy-short_lines = 行でないもの（合計、脚注、メモ）を削除するか、ファイルを出力し直してください。
remedy-long_lines = 文字列の項目を引用符で囲んで、ファイルを出力し直してください。
remedy-delimiter = テーブルに `{ $delimiter }` を指定してください：行が見出しに合うようになります。
remedy-header_field = 行の項目が見出しより1個多いです：見出し行に名前を加えるか、文字列の項目を引用符で囲んで出力し直してください。
remedy-header_fields = 行の項目が見出しより{ $n }個多いです：見出し行に名前を加えるか、文字列の項目を引用符で囲んで出力し直してください。
remedy-all_fields = テーブルに `delimiter` を指定するか、すべての行に全項目を入れて出力し直してください。

## データ：読み込めない理由

data-too_many = { $table }の{ $of }行中{ $n }行を除く必要があります（{ $share }）
    .where = { $place }（行は { $file } にあります）
    .values = { $table }.{ $column }の値{ $of }件中{ $n }件が使えません（行の{ $share }）
data-at_most = { $share }以下（source.max_rejected_share）
data-refusals = { $n }個のテーブルが使えません。最初：{ $first }
    .also =
        { $before }

        ほか：{ $error }
data-perhaps = { $name } ではありませんか
data-write = `{ $it }` と書いてください。
data-empty = テーブル{ $table }は空です
data-none_left = `where` により{ $table }の{ $n }行がすべて除かれます
    .out = { $n }行を除外
    .undecided = { $n }行を除外、うち{ $undecided }行は条件が真とも偽とも決まらないため
    .remedy = `where` を直すか緩めるか、設定からテーブルを外してください（その特徴量は使えなくなります）。
data-no_period = 観測期間を示す妥当な日付の事実がありません
data-bad_rates = 為替表の{ $n }行が読めません
    .expected = すべての行に通貨、日付、正の数値
    .remedy = 行を直すか、`currency`、`since`、`rate` で別の列を指定してください。
data-other_currency = { $origin }の金額が{ $currency }ではありません：{ $counted }
    .expected = { $currency }（`currency`）の金額、または換算の為替
    .remedy = 日付のある表を指定してください：`rates: { "{" }from: rates.csv{ "}" }`（currency、since、rate）。すべての金額が一つの通貨なら、`currency` をそれにしてください。異なる通貨の金額を合計することはありません。
data-rates_missing = 為替表が{ $origin }のすべての金額に及びません
    .expected = 各通貨について、これらの最初の日から有効な為替
    .remedy = 為替を補ってください。今日の為替を過去に使うことはありません。
data-no_column = { $origin }に列{ $column }がありません
data-columns = 列：{ $names }
data-unreadable = { $file } が読めません
    .file = ファイル { $file } が読めません
    .remedy = ファイルを出力またはコピーし直してください。
data-unreadable_table = 入力元からテーブル{ $table }が読めません
    .remedy = データベースが動いていて、利用者がテーブルを読めるか確認してください。
data-unreadable_member = { $file } の中の { $member } が読めません
    .remedy = 別のプログラムが書き込み中でないか確認するか、コピーし直してください。
data-no_duckdb = DuckDBのファイル { $file } がありません
data-unopened = { $file } を開けません
data-no_driver = 入力元のドライバーが入っていません
    .remedy = 実行してください：pip install 'ibis-framework[{ $driver }]'
data-refused = 入力元が接続を拒みました
    .remedy = { $key }.connection を直し、データベースが動いていて接続が許されているか確認してください。
data-no_folder = フォルダー { $folder } がありません
    .remedy = { $key }.folder を直してください。相対パスは設定ファイルのフォルダーから始まります。
data-no_file = { $pattern } に合うファイルがありません
    .where = { $folder } の { $place }
    .holds = フォルダーの内容：{ $files }
    .none = 空のフォルダー
data-no_table = 入力元にテーブル{ $table }がありません
    .there = テーブル：{ $tables }
    .none = テーブルなし
data-sql = SQLを評価できません
data-sql_rows = 設定のSQL式が一部の行で失敗します
    .remedy = 崩れた値がありうる所では try_cast(… AS …) を使うか、`where` で行を除いてください。
data-condition = 条件が一部の行で失敗します
    .remedy = 崩れた値がありうる所では try_cast(… AS …) を使ってください。
data-no_csv = ファイル { $file } をCSVとして読めません
data-open_quote = { $file } の{ $line }行目で開いた引用符が閉じられていません
    .remedy = 引用符を閉じるか取り除いてください。そのままでは後ろがすべて失われます。
data-no_fit = { $file } の{ $of }行中およそ{ $n }行が見出しに合いません
    .got = CHK007 形の崩れた行：見出し{ $header }項目に対して{ $fields }項目、例：{ $example }
data-no_header = { $file } の見出しが読めません
data-not_in_encoding = ファイル { $file } は{ $encoding }ではありません
    .remedy = テーブルの `encoding` を直してください。
data-not_utf8 = ファイル { $file } はUTF-8ではありません
    .remedy = 正しく読めるものをテーブルの `encoding` に指定してください：{ $encodings }。
    .utf16 = UTF-16のバイト順マーク
    .byte = { $line }行目のバイト{ $byte }
    .reads = { $encoding }では{ $text }
    .bytes = UTF-8でないバイト列
data-tables_in = { $file } には{ $n }個のテーブルがあります
    .none = { $file } にはテーブルがありません
data-zstandard = ファイル { $file } はzstandardですが展開できません
    .remedy = コピーし直してください。
data-locked = { $file } はパスワードで保護されています
    .remedy = 展開してください。
data-kinds = CSV、JSON、Parquet、Excelブック（.xlsx、.xls、.ods）（圧縮も可）、SQLite、DuckDB
data-starts = 先頭は { $start }
data-empty_file = ファイル { $file } は空です
data-other_kind = ファイル { $file } は{ $kind }のファイルです
    .bunzip2 = 展開する（`bunzip2`）か、gzipで圧縮してください。
    .unxz = 展開する（`unxz`）か、gzipで圧縮してください。
    .unpack = 展開してください。
    .as_csv = テーブルをCSVで出力してください。
    .convert = ParquetかCSVに変換してください。
    .as_parquet = Parquetで書き出してください。
data-web_page = ファイル { $file } はウェブページかXMLで、テーブルではありません
    .remedy = ログイン画面やエラー画面が保存されたか、ツールがHTMLをブックと呼んでいます：CSVで出力してください。
data-not_of_kind = { $file } は名前に反して{ $kind }のファイルではありません
    .remedy = ファイルを出力またはコピーし直してください。
data-no_json = { $file } にJSONがありません
    .remedy = JSON Linesで出力してください：1行に一つのオブジェクト `{ "{" }…{ "}" }`。
data-bad_json = { $file } をJSONとして読めません
    .remedy = JSON Linesで出力してください：1行に一つのオブジェクト。
data-no_object = { $file } にJSONオブジェクトがありません
    .remedy = 1行に一つのオブジェクトを書いてください。
data-kind_unknown = { $file } の種類が分かりません
    .remedy = 種類を示す拡張子を付けるか、変換してください：`duckdb -c "COPY (…) TO 'x.parquet'"`。
data-personal_words = { $table }.{ $column }は個人のデータのようです：{ $kind }
    .expected = 特徴量になりレポートに載るため、顧客や行為を表す語
data-circle = 記録が循環して統合されています
data-parents_circle = 顧客の親子関係が{ $n }か所で循環しています
data-unknown_parents = CHK053 accounts.parent_id：{ $n }件の顧客の親会社{ $parents }件（{ $examples }）がaccountsにありません。{ $remedy }
data-no_identities = ファイル { $file } がありません
data-bad_identities = { $file } を対応表として読めません
    .expected = 列source、id、account_idを持つCSV
data-preset_query = プリセットのクエリをこのテーブルに実行できません
    .remedy = プリセットなしで列を対応付けるか、コピーして（`churnml presets show`）直してください。
data-no_zone = { $origin }の時刻に時間帯がありません
    .expected = ツールが書いた時間帯
    .remedy = `{ $key }.timezone` を指定してください。例：`timezone: Europe/Berlin`。出力した利用者またはアカウントの時間帯です。入力元全体で一度だけ必要です。
data-two_ways = { $origin }の日付は二通りに読めます
    .remedy = 日が先なら `{ $key }.date_order: day`、月が先なら `month` を指定してください。
data-two_numbers = { $n }個の数値が二通りに読めます：{ $example }は{ $whole }または{ $decimal }
    .expected = 値または設定で決まる小数点
    .remedy = { $whole }の意味なら列に `decimal: "{ $other }"`、{ $decimal }の意味なら `decimal: "{ $sign }"` を指定してください。
data-attribute_name = 属性の名前に{ $name }は使えません
    .expected = accountsの列と重ならない小文字の名前
    .remedy = 属性の名前を変えてください。
data-no_sheet = { $file } にシート{ $sheet }がありません
    .there = シート：{ $sheets }
data-empty_sheet = { $file } のシート{ $sheet }に行がありません
data-no_excel = { $file } はExcelブックですが、読み取り機能が入っていません
    .remedy = 実行してください：pip install 'churnml[excel]'。またはシートをCSVで出力してください。
data-no_workbook = { $file } はExcelブックかzipのようですが、ブックとして開けません
    .expected = テーブル
    .remedy = アーカイブを展開するか、ブックを開いてシートをCSV（UTF-8）で出力してください。
error-none = なし
error-preset_table = プリセット{ $preset }は{ $other }ではなく{ $table }のものです
    .remedy = `tables.{ $table }` の下に書いてください。
error-preset_with = プリセット{ $preset }は{ $table }というテーブルを読みません
error-no_preset = プリセット{ $preset }はありません
    .remedy = `churnml presets list` で一覧を表示します。
error-duckdb_memory = { $table }の読み込み中にDuckDBのメモリが足りなくなりました
    .remedy = engine.memory_limit を上げるか、engine.threads を下げてください。
error-suppression = 消去済みの対象の一覧が読めません
    .remedy = バックアップから戻してください。これがないと、次の読み込みで戻ってしまいます。

error-machine_full = ディスクの空きがないか、割り当てや制限に達しました
    .remedy = 空きを作ってからもう一度実行してください。書きかけのものは残っていません。
error-machine_forbidden = ファイルまたはフォルダーの読み書きが許されていません
    .remedy = churnmlを実行する利用者に権限を与えるか、設定の `workspace` を別の場所にしてください。
error-machine_damaged_database = ワークスペースのSQLiteデータベースが壊れています
    .remedy = バックアップから戻すか、別の場所へ移してください。次の実行で新しく作られます。
error-machine_damaged_parquet = Parquetファイルが壊れています
    .remedy = バックアップから戻すか、削除してもう一度実行してください。
error-machine_memory = メモリが足りません
    .remedy = 設定の engine.memory_limit を下げるか、期間やスナップショットを減らすか、大きなマシンを使ってください。

## 実行の段階

stage-pull = 取得
stage-alerts = アラート
stage-deliver = 連携
stage-data = データ
stage-keep = 保存
stage-look_at_files = ファイルの確認
stage-experiments = 実験
stage-backtest = バックテスト
stage-replay = 再現
stage-kpis = KPI
stage-audit = 監査
stage-monitor = 監視
stage-features = 特徴量
stage-explain = 説明
stage-report = レポート
stage-simulate = 模擬
stage-check = 検査
stage-snapshots = スナップショット
stage-watch = 見張り
stage-score = スコア
stage-history = 履歴
stage-publish = 公開
stage-curves = 曲線
stage-fit = 学習
stage-track = 記録
stage-gate = 採用判定
stage-tune = 調整
stage-retrain = 再学習
progress-fold = { $fold }：学習は{ $train }まで、テストは{ $test }から
progress-horizon = { $days }日、{ $line }
progress-trial = 試行{ $n }：対数損失{ $loss }、{ $state }、最良{ $best }
progress-pull = { $object }：{ $rows }行、呼び出し{ $calls }回
progress-wait = { $seconds }秒待機中
progress-reading = { $table } を読み込み中
progress-read = { $table }：{ $rows }行
    .aside = { $table }：{ $rows }行、除外{ $aside }行
cli-seconds = { $n }秒
cli-left =
    .seconds = { $stage } { $done }、残り約{ $n }秒
    .minutes = { $stage } { $done }、残り約{ $n }分

## 標準列の単位と、追加のテーブルで分かること

column-unit-units = 個
column-unit-seats = 席
column-unit-people = 人
column-unit-events = イベント
column-unit-months = か月
column-unit-score = npsは0〜10、csatは1〜5、cesは1〜7
preset-gain-recipients = 宛先ごとの顧客
preset-gain-ticket_accounts = チケットごとの顧客
preset-gain-deal_accounts = 商談ごとの顧客
preset-gain-deal_stages = どの商談が終了・受注したか
preset-gain-engagement_accounts = やり取りごとの顧客
preset-gain-meetings = 会議の日時
preset-gain-calls = 通話の日時
preset-gain-mails = メールの送信日時
preset-gain-priorities = 番号で書かれた優先度の語
preset-gain-issue_types = 番号で書かれた課題種別の語
preset-gain-ticket_history = チケットの解決と再開の日時
preset-gain-first_answer_users = 人が最初に回答した日時（usersも必要）
preset-gain-first_answer_comments = 人が最初に回答した日時（commentsも必要）
preset-gain-member_accounts = 担当者だけを示すメンバーの顧客
preset-gain-case_accounts = 担当者だけを示すケースの顧客
preset-gain-mrr_seats = MRRと席数
preset-gain-payments = 請求書の支払日
preset-gain-seats_end = 席数と合意した終了日
preset-gain-mrr = MRR
preset-gain-pages = ページの名前
preset-gain-features = 機能の名前

## churnml check, simulate, features and --set

cli-check-table = テーブル
cli-check-rows = 行
cli-check-reason = 理由
cli-check-simulated = { $folder } の模擬企業
cli-check-canonical = 標準テーブル
cli-check-observed = 観測期間：{ $from }から{ $until }（当日は含まない）。
cli-check-aside = 除外した行
cli-frame-size = { $accounts }顧客・{ $snapshots }スナップショット（{ $from }〜{ $until }）の{ $rows }行、特徴量{ $features }個。
cli-frame-labelled = 確定ラベル{ $rows }行、うち陽性{ $positive }行。
cli-usable-tables = テーブルの使いやすさ
cli-usable-tools = 各ツールの記録のうち既知の顧客
cli-usable-families = 特徴量の各分類で使えるもの
cli-usable-and_more = { $words }ほか{ $more }件
cli-usable-days = { $n }日
cli-usable-match =
    .known = 既知
    .unknown = 不明
    .several = 複数候補
cli-usable-column =
    .table = テーブル
    .rows = 行
    .accounts = 顧客
    .covered = 全体比
    .from = 開始
    .until = 終了
    .days = 日数
    .behind = 早く終わる
    .absent = 未提供
    .tool = ツール
    .records = 記録
    .family = 分類
    .measures = 指標
    .off = 使えない
    .unlocks = 追加で使えるようになる数
cli-features-column =
    .family = 分類
    .features = 特徴量
    .levels = 水準
    .trends = 推移
    .ranks = 順位
    .examples = 例
    .feature = 特徴量
    .unit = 単位
    .risk = 多いほどリスクは
    .meaning = 意味
    .missing = 欠損の意味
cli-features-risk =
    .lower = 低い
    .none = –
    .higher = 高い
cli-features-counted = 特徴量{ $n }個。`{ $by_family }`、`{ $by_kind }`、`{ $by_name }` で絞り込み、`{ $all }` ですべて表示します。
cli-features-kinds = { $kinds }種類、{ $n }個の特徴量。
cli-what_if-heading = { $account } の仮定計算
cli-what_if-before = 前
cli-what_if-after = 後
cli-what_if-probability = { $target }確率
cli-what_if-health = ヘルス
cli-what_if-band = 区分
cli-what_if-no_promise = モデルへの問いであり、現実の約束ではありません：連絡による変化を示すものではありません。
cli-what_if-outside = 学習で見た範囲の外：{ $features }
cli-what_if-linked = 同じものを測るがそのままの値：{ $features }

## churnml train

cli-train-model = モデル
cli-train-verdict = 判定：
cli-train-backtest = 期間外バックテスト：{ $folds }フォールド、基準日{ $from }〜{ $until }、{ $rows }行、{ $happened }{ $positives }件
cli-train-horizon = 予測期間{ $days }日：{ $figures }（{ $rows }行中{ $positives }件）
cli-train-champion = バージョン{ $version }が現行モデルになりました。
cli-train-no_champion = バージョン{ $version }は現行モデルを置き換えません。
cli-train-outcome =
    .beats = 上回る
    .level = 同等
    .loses = 下回る
cli-train-beside = { $name }との比較：
cli-train-kind = 種類：{ $kind } – { $reason }。
cli-train-used = 使用
cli-train-not_used = 不使用
cli-train-tuning = 調整結果は{ $used } – { $reason }
cli-train-keep_params = 探索なしで使い続けるには model.params に書いてください：{ $params }
cli-train-capacity = 各スナップショットの{ $likeliest }{ $share }に連絡した場合（95%信頼区間は顧客単位の抽出）
cli-train-cases = 件数
cli-train-caught = 捕捉率
cli-train-caught_arr = ARR捕捉率
cli-train-precision = 適合率
cli-train-lift = リフト
cli-train-lead = リードタイム：{ $churners }件中{ $alerted }件が事前にアラート水準、中央値{ $median }日（四分位{ $lower }と{ $upper }）、30日以上前が{ $share }。
cli-train-month = { $months }か月 { $auc }
cli-train-oldest = 最も古いフォールドのモデルの学習後の月数別ROC AUC：{ $months }。
cli-train-worth = { $name }は1顧客あたり{ $worth } { $currency }（利益曲線下面積{ $area }）
cli-train-profit = 想定引き止め率での期待最大利益：{ $model }、最良のベースライン：{ $rival }。{ $every_days }日以上離れた{ $campaigns }回の施策で、同じ顧客は二度数えません。

## churnml alerts, tasks and experiments

cli-alerts-none = 待機中のアラートはありません。`churnml score` のたびに評価されます。
cli-alerts-held = { $n }件は保留：担当者ごとに新規は週{ $budget }件まで、回避可能な損失の大きい順です。
cli-alerts-one = アラート{ $id }
cli-alerts-due = 期限{ $on }
cli-alerts-state =
    .open = 未対応
    .acknowledged = 確認済み
    .snoozed = 保留
    .closed = 終了
    .held_back = 上限で待機
cli-alerts-outcome =
    .saved = 引き止め成功
    .lost = 解約
    .false_alarm = 誤報
    .not_a_risk = リスクなし
cli-alerts-column =
    .id = ID
    .account = 顧客
    .alert = アラート
    .owner = 担当
    .due = 期限
    .loss = 回避可能な損失
    .state = 状態
    .rule = ルール
    .alerts = アラート
    .held_back = 上限で待機
    .judged = 判定済み
    .left = 解約
    .precision = 適合率
    .lift = リフト
    .early = 30日以上前に警告
cli-alerts-tried_by =
    .risk = 週の上限はリスク順で配分しました。
    .uplift = 週の上限は、現在と同じく連絡の効果順で配分しました。この順位付けが学んだ結果は、これらの日付に含まれることがあります。
cli-alerts-tried = { $from }〜{ $until }の{ $snapshots }スナップショット：担当者・週あたり{ $per_week }件、上限で待機{ $held }件。
cli-alerts-caught = そのうち{ $precision }が予測期間内に解約（基準率{ $base }）。解約した{ $churners }件のうち{ $early }は30日以上前に警告がありました。
cli-alerts-off = 無効：{ $kind }（データにない{ $column }が必要）
cli-tasks-none = 待機中のタスクはありません。`churnml score` の後にアラートから始まります。
cli-tasks-no_playbooks = 設定にプレイブック（`playbooks:`）がないため、アラートからタスクは始まりません。
cli-tasks-one = タスク{ $id }
cli-tasks-due = 期限{ $on }
cli-tasks-days = { $n }日
cli-tasks-after = { $steps }の後
cli-tasks-begins = アラート：{ $alerts }
cli-tasks-would_alert = { $as_of }のスナップショットでは、すでにあるもののほかに{ $alerts }件のアラートが発生します（上限で待機{ $held_back }件、実験により連絡しない{ $not_contacted }件）。
cli-tasks-would_open = { $n }件のタスクが始まります。担当：{ $owners }。
cli-tasks-would_not = 始まるタスクはありません。
cli-tasks-state =
    .open = 未着手
    .waiting = 待機
    .done = 完了
    .skipped = 省略
    .cancelled = 取消
cli-tasks-column =
    .id = ID
    .account = 顧客
    .task = タスク
    .owner = 担当
    .due = 期限
    .alert = アラート
    .state = 状態
cli-experiment-heading = 実験「{ $name }」：{ $share }には連絡せず、各顧客を{ $days }日追跡。割り付けは{ $from }〜{ $until }。
cli-experiment-arm =
    .contacted = 連絡あり
    .held_out = 連絡なし
cli-experiment-column =
    .arm = 群
    .accounts = 顧客
    .followed = 追跡済み
    .churned = 解約
    .rate = 解約率
    .lost = 失ったARR（{ $currency }）
    .worked = タスク完了
cli-experiment-by_now = 今ごろ見えるはずです
cli-experiment-in_weeks = この速さで約{ $weeks }週で見えるはずです
cli-experiment-needed = 解約の{ $looked_for }の効果には{ $n }件の追跡が必要で、{ $when }。
cli-experiment-detectable = これまでの追跡では、解約の{ $share }以上の効果なら見えます。
cli-experiment-avoided = 回避した解約{ $value }（95%：{ $low }〜{ $high }）
cli-experiment-unknown = 推定には情報が足りません：{ $why }。
cli-experiment-contact = 連絡により解約率が{ $value }（95%：{ $low }〜{ $high }）ポイント下がります。
cli-experiment-keeps = 1顧客あたりARRを{ $value } { $currency }守ります（95%：{ $low }〜{ $high }）。
cli-experiment-no_effect = 効果なしもありえます：区間が0を含みます。
experiment-few_followed = 小さい群で最後まで追跡したのは{ $n }件で、少なくとも{ $least }件必要です
experiment-few_churned = 解約は{ $n }件で、少なくとも{ $least }件必要です

## 連絡で防げる解約による順位

cli-experiment-no_uplift = 連絡で防げる解約による順位はまだ出せません：{ $why }。
cli-experiment-qini_risk = リスク順に連絡すると、同じ件数を無作為に選ぶより解約率が{ $value }（95%：{ $low }〜{ $high }）ポイント多く下がります（Qini）。
cli-experiment-qini_uplift = 連絡で防げる解約の順では{ $value }（95%：{ $low }〜{ $high }）。
cli-experiment-qini_gain = その差は{ $value }（95%：{ $low }〜{ $high }）。
cli-experiment-qini_arr = ARRを掛けた順位どうしでは1顧客あたり{ $value } { $currency }（95%：{ $low }〜{ $high }）。
cli-experiment-shown_from = 差が{ $least }以上なら、何度確認しても有効な基準で実証されたとみなします。
cli-experiment-holds_until =
    .uplift = この決定は{ $until }まで有効で、その後は再度の判定が必要です。
    .risk = 連絡の効果による順位付けの決定は{ $until }までで、experiments.rank_by_upliftの設定時だけ有効です。現在の予算はリスク順です。
cli-experiment-gain_needs = この差が見えるには{ $accounts }件の追跡、うち連絡しない群の解約が{ $churners }件必要です。
cli-experiment-beats = 連絡で防げる解約の順は、リスク順より優れています。
cli-experiment-beats_not = 連絡で防げる解約の順がリスク順より優れるとは言えません。
cli-experiment-ranked_by =
    .risk = リスク
    .uplift = 連絡で防げる解約
cli-experiment-budget_decided = アラートの枠は{ $by }の順です（{ $at }に決定）。
cli-experiment-budget_undecided = アラートの枠は{ $by }の順です（`churnml experiments rank`で決めます）。
cli-experiment-set_rank_by_uplift = アラートの枠をこの順にするには experiments.rank_by_uplift: true を設定してください。
experiment-uplift_few_followed = 小さい群で最後まで追跡したのは{ $n }件で、少なくとも{ $least }件必要です
experiment-uplift_few_churned = 解約は連絡した群{ $contacted }件、連絡しない群{ $held_out }件で、それぞれ少なくとも{ $least }件必要です
experiment-uplift_repeated = 同じ顧客が何度も割り付けられ、学習に使える顧客が残っていません

## churnml deliver, keys, kpis, presets and init

cli-deliver-busy = 別のプロセスが配信中です（{ $who }）。何もしていません。
cli-deliver-finished = { $target } で完了したタスク{ $n }件を、こちらでも完了にしました。
cli-deliver-why = 理由は `{ $list }`、再送は `{ $resend }` です。
cli-deliver-waiting = { $n }件が次の `churnml deliver` を待っています。
cli-deliver-due = { $target }：{ $n }件が送信予定
cli-deliver-ok = OK
cli-deliver-missing = 不足
cli-deliver-remedy = 対処：{ $remedy }
cli-deliver-none = 配信不能の記録はありません。
cli-deliver-state =
    .waiting = 待機
    .sending = 送信中
    .sent = 送信済み
    .accepted = 受理
    .refused = 拒否
    .unknown = 不明
cli-deliver-column =
    .target = 配信先
    .accepted = 受理
    .sent = 送信
    .refused = 拒否
    .retried = 再試行
    .unknown = 不明
    .calls = 呼び出し
    .next_try = 次回
    .stopped = 停止理由
    .id = ID
    .key = キー
    .state = 状態
    .reason = 理由
    .said = 応答
cli-keys-keep = 保管してください。再表示はできません。ID { $id }、権限 { $scopes }、{ $days }日間。
cli-keys-header = ヘッダーで送ります：{ $header }
cli-keys-revoked = キー{ $id }（{ $name }）を失効しました。
cli-keys-none = キーはありません。`churnml keys create NAME` で作成します。
cli-keys-never = なし
cli-keys-state =
    .usable = 有効
    .revoked = 失効
    .expired = 期限切れ
cli-keys-column =
    .id = ID
    .name = 名前
    .scopes = 権限
    .created = 作成
    .expires = 期限
    .state = 状態
cli-kpis-none = 猶予日を含めて完全に観測された月がまだありません。
cli-kpis-all = 全顧客、金額は{ $currency }
cli-kpis-by = { $name }別、{ $month }
cli-kpis-ttm = TTM：月末までの12か月。{ $csv } と { $json } に全ての月とKPIがあります。
cli-kpis-column =
    .month = 月
    .accounts = 顧客
    .mrr = MRR
    .churn = 解約率
    .grr = GRR
    .nrr = NRR
    .churn_ttm = 解約率TTM
    .grr_ttm = GRR TTM
    .nrr_ttm = NRR TTM
    .renewed = 更新率
    .by_value = 金額ベース
    .ltv = LTV
## Lifetime value as a KPI
co-worth = 顧客1社あたりの価値
co-worth-each = 1社平均
co-worth-span = 範囲
co-worth-total = 合計
co-worth-within = 24か月以内の割合
co-worth-source = 算出の根拠
co-worth-curves = 顧客ごとの生存曲線
    .how = { $on }時点の顧客の残存価値の平均です。各顧客が自身の生存曲線に沿って今後支払う金額に粗利率{ $margin }を掛け、契約を続ける顧客の伸びを含め、1年待つごとに{ $discount }割り引きます。範囲は{ $level }の頻度で当てはまるように作られていますが、粗利率・伸び・割引率は確かなものとして扱います。24か月より後は外挿で、最長8年分です。
co-worth-contracts = 契約
    .how = 生存曲線を表示していないため、直近の月の契約から求めた新規顧客の生涯価値です。粗利率{ $margin } × 顧客あたりMRR × 新規顧客の予想継続月数、1年待つごとに{ $discount }割引（Fader & Hardie 2007, 2010）。
co-list-worth = 価値別の顧客
    .how = 各顧客の生存曲線による、今後の割引後粗利とその範囲です。合計の範囲は、これらの範囲の合計ではありません。
col-residual_value = 残存価値
col-residual_low = 下限
col-residual_high = 上限
cli-kpis-value =
    .title = 顧客1社あたりの価値、金額は{ $currency }
    .of = 対象
    .all = 全顧客
    .accounts = 顧客
    .each = 1社平均
    .between = 範囲
    .total = 合計
    .within = 24か月以内
    .source = 根拠
    .curves = 曲線
    .contracts = 契約
    .curves-how = 曲線：{ $day }時点の顧客の残存価値の平均。粗利率{ $margin }、1年待つごとに{ $discount }割引。範囲は{ $level }の頻度で当てはまるように作られています。
    .contracts-how = 契約：新規顧客の生涯価値。粗利率{ $margin }、1年待つごとに{ $discount }割引。生存曲線は表示していません。
co-record = 予測の的中状況
    .how = 10か月のうち9か月、10四半期のうち9四半期が範囲に入るはずです。数回外れただけでは何とも言えません。
co-record-name_published = 公開時の予測
co-record-name_rederived = 後から作成した予測
co-record-published = 公開時の予測：{ $months }か月のうち{ $inside }か月、{ $quarters }四半期のうち{ $whole }四半期が範囲に入りました。大半の顧客を曲線で予測した{ $curves }か月では{ $own }か月です。
co-record-rederived = 学習の1年前の1日に知られていたことだけから学習した曲線で、後から作成した予測：{ $months }か月のうち{ $inside }か月、{ $quarters }四半期のうち{ $whole }四半期が範囲に入りました。この曲線は公開した確率に合わせておらず、最長1年先を見ています。
co-record-none = 曲線による過去の予測はまだ保存されておらず、学習時にも作成されていません。履歴が短すぎるか、曲線を表示していません。
cli-kpis-record =
    .title = 過去の更新予測（四半期別）、ARRは{ $currency }
    .quarter = 四半期
    .made = 予測日
    .accounts = 顧客
    .arr = 更新対象
    .expected = 予測
    .between = 90 %範囲
    .came = 実績
    .published = 公開時の予測：{ $months }か月のうち{ $inside }か月、{ $quarters }四半期のうち{ $whole }四半期が範囲に入りました。曲線による{ $curves }か月では{ $own }か月です。
    .rederived = 学習の1年前の曲線で後から作成した予測：{ $months }か月のうち{ $inside }か月、{ $quarters }四半期のうち{ $whole }四半期が範囲に入りました。
    .none = 曲線による過去の更新予測はまだ保存されておらず、学習時にも作成されていません。
## Survival: when accounts will be lost
survival-half_by = このような顧客の半数は{ $day }までに解約します（データから言える範囲は{ $earliest }～{ $latest }）。
survival-half_not_before = このような顧客の半数が解約するのは早くても{ $earliest }で、{ $months }か月以内には起こらない可能性があります。
survival-most_stay = このような顧客の半数以上は{ $months }か月後も契約を続けています（それまでの解約は{ $low }～{ $high }）。
# 比較の対象と、更新時のリスク
survival-at_renewal = { $day }の更新では、このような顧客の{ $value }（{ $low }～{ $high }）が解約します。
survival-peers_plan = プラン「{ $group }」の他の{ $n }社
survival-peers_segment = セグメント「{ $group }」の他の{ $n }社
survival-peers_all = 他の{ $n }社
cli-survival-title = { $day }時点の解約時期の見通し。価値は{ $currency }、括弧内はモデルを学習し直したときの変動幅
cli-survival-between = { $value }（{ $low }～{ $high }）
cli-survival-lost = 契約期間の終わりに解約した{ $at_decision }社と、それ以外の時期に解約した{ $between }社から学習しました。
cli-survival-silent = 以後まったく利用のなかった{ $at_once }社と、後に利用が止まった{ $later }社から学習しました。過去の記録から言えるのは{ $months }か月先までです。
cli-survival-column =
    .account = 顧客
    .decision = 次の更新判断
    .risk = そこでの解約
    .year = 12か月以内の解約
    .value = 残存価値
    .sentence = このような顧客の傾向
cli-init-none = 設定は書き出されませんでした。
cli-init-wrote = { $path } を書き出しました。次は：
cli-init-unused = 未使用：{ $path }：{ $why }
cli-init-look = 確認：{ $question }
cli-init-look_at = { $table }を確認：{ $question }
cli-init-needs = { $table }を確認：{ $known }のsourceに`{ $key }`が必要です
cli-init-zone = 例：Asia/Tokyo
cli-init-column =
    .file = ファイル
    .tool = ツール・種類
    .table = テーブル
    .rows = 行
    .from = 開始
    .until = 終了
    .met = 一致した顧客
cli-init-by_identities = 対応表
cli-init-role =
    .beside = （併せて読む）
    .identities = （対応表）

## The service, when it starts

serve-unscored = まだスコアリングされていません。特徴量を送って予測することはできますが、顧客IDでの照会はできません。
serve-serving = { $name }を提供中：{ $as_of }時点の顧客{ $n }社（{ $url }）
serve-pages = 画面：{ $url }
serve-nobody_signs_in = サインインは不要です（--insecure）。
serve-keyless = APIキーは不要です（--insecure）。そのため、呼び出せるのはこのマシンだけです。
serve-no_key = 使えるAPIキーがまだありません。作成するには：{ $command }
serve-try = 試すには：{ $command }      API：{ $url }
serve-by_provider = { $issuer }のアカウントでサインイン
serve-by_proxy = { $header }を送るプロキシ経由でサインイン
serve-by_mail = 登録済みの人に画面から送られるメールのリンクでサインイン
serve-by_link = リンクでサインイン：{ $command }
serve-nobody_yet = まだ誰も登録されていません。自分を登録し、2つ目のコマンドが表示するリンクを開いてください：

## churnml daily, users, erase, export, backup and pull

cli-daily-none = 日次実行の記録はまだありません。
cli-daily-ran = { $from }  { $outcome }
    .ended = { $from } 開始、{ $until } 終了  { $outcome }
cli-daily-ended = { $config }：{ $outcome }（{ $seconds }秒）
cli-daily-not_told = { $target } に通知できませんでした：{ $why }。次回の実行で再度通知します。
cli-daily-stage =
    .done = 完了
    .unchanged = 変更なし
    .not_due = 実行時期前
    .running = 実行中
    .killed = 中断
    .failed = 失敗
    .skipped = 省略
cli-daily-unit =
    .done = 完了
    .failed = 失敗
    .refused = 開始できません
    .busy = 別の実行が進行中
    .memory = メモリー不足
    .killed = 中断
cli-daily-column =
    .config = 設定
    .stage = 段階
    .outcome = 結果
    .rows = 行
    .seconds = 秒
    .megabytes = MB
    .starts = 起動回数
    .why = 理由
cli-users-none = 利用者はまだ登録されていません。最初の1人を追加してください：{ $command }
cli-users-user = { $name } <{ $email }>（{ $role }）
    .owner = { $name } <{ $email }>（{ $role }、担当者ID { $owner }）
cli-users-added = { $user } を追加しました。次は：{ $next }
cli-users-changed = { $user } に変更しました。
cli-users-disabled = { $name } さんのアクセスを停止しました。
cli-users-enabled = { $name } さんのアクセスを再開しました。
cli-users-signed_out = { $n }件のセッションを終了しました。
cli-users-link = { $name } さんが1回だけサインインできるリンクです（{ $until } UTCまで）。再表示はできません。
cli-users-mailed = { $email } に送信しました。
cli-users-elsewhere = 別の場所から利用する人には公開用のアドレスが必要です。{ $key } を設定してください。
cli-users-let_in_no_more = 停止中
cli-users-column =
    .name = 名前
    .email = メールアドレス
    .role = 役割
    .owner = 担当者ID
    .language = 言語
    .signed_in = サインイン中
    .since = 登録日
cli-privacy-exported = { $tables }テーブルの{ $n }行を { $file } に書き出しました。
cli-privacy-told = 次回の `churnml deliver` で削除を依頼する配信先：{ $targets }。
cli-privacy-by_hand = 削除を依頼できないため、手作業での削除が必要な配信先：{ $targets }。
cli-privacy-own_file = お客様ご自身のファイル（churnmlは書き換えません）：{ $path }、行 { $rows }
cli-privacy-unread = 確認できなかったお客様ご自身のデータソース：{ $sources }。
cli-privacy-left = 削除しきれずに残っています：{ $files }
cli-privacy-column =
    .removed = 削除した場所
    .would_be_removed = 削除の対象となる場所
    .rows = 行
cli-backup-made = { $megabytes } MBを { $file } に保存しました。
cli-backup-restored = { $at } UTC時点の状態に復元しました。再度削除した顧客：{ $n }件。
cli-pull-planned = { $source }：{ $tool }、本日の呼び出し{ $n }回（上限{ $most }回）
cli-pull-everything = すべて
cli-pull-since = { $at } 以降
cli-pull-column =
    .source = 取得元
    .object = 種類
    .rows_in = 取得行
    .accepted = 受理
    .rejected = 除外
    .duplicate = 重複
    .preset = プリセット

## MLflow: what a run and a version are said to be

mlflow-trained = { $at } UTCに学習：確定ラベル{ $rows }行（{ $accounts }顧客、陽性{ $positive }件）、基準日{ $from }〜{ $until }。
mlflow-predicts = { $days }日以内の{ $target }を{ $features }個の特徴量から予測（{ $kind }）。データ{ $data }、設定{ $config }、バンドル{ $bundle }。
mlflow-verdict = 判定：{ $verdict }。{ $reason }
mlflow-champion = { $at }から現行（{ $by }）：{ $reason }

## Plots of a training

plot-model = モデル
plot-undefined = 片方の結果しかないため定義されません
plot-roc = ROC（全フォールド）
plot-others_above = しきい値以上のその他の顧客
plot-many_above = しきい値以上の{ $many }
plot-precision_recall = 適合率と再現率（全フォールド）
plot-recall = 再現率
plot-precision = 適合率
plot-reliability = 信頼性：スコアの十分位
plot-mean_probability = 平均確率
plot-rate = { $noun }率
plot-rate_wilson = { $noun }率（95%、Wilson）
plot-gain = ゲイン（全フォールド）
plot-lift = リフト（全フォールド）
plot-contacted = 連絡した顧客の割合
plot-share_found = そのうちの{ $many }の割合
plot-over_base = { $noun }率÷基準率
plot-capacity = 対応可能 { $share }
plot-profit = 上位への連絡の利益：想定引き止め率{ $rate }、連絡{ $contact }、提案{ $offer }
plot-profit_per_snapshot = スナップショットあたりの利益（通貨）
plot-by_outcome = 結果別の確率
plot-probability = { $noun }確率
plot-outcome_rows = 結果の行に占める割合
plot-outcome =
    .churn = 解約（{ $n }）
    .expansion = 拡大（{ $n }）
    .contraction = 縮小（{ $n }）
    .none = それ以外（{ $n }）
plot-every_snapshot = 各テストスナップショット
plot-log_loss = 対数損失
plot-solid_dashed = 実線：実績、破線：予測
plot-shap = { $noun }の対数オッズへの寄与（SHAP値）
plot-shap_axis = 対数オッズへの寄与
plot-grey = 灰色：欠損
plot-colour = 特徴量の値
plot-low = 低
plot-high = 高

## 端末でのモデルの版

## What a training decides, and why

verdict-the_model = モデル
verdict-not_tested = このモデルはバックテストされていません。
verdict-one_outcome = テスト期間に片方の結果しかないため、比較できません。
verdict-no_rule = モデルと比べるルールがありません。
verdict-beside =
    .beats = モデルは{ $baseline }を誤差以上に上回ります：{ $gain }。
    .level = モデルは{ $baseline }と同等です：{ $gain }。
    .loses = モデルは{ $baseline }を誤差以上に下回ります：{ $gain }。
verdict-by =
    .more = 差は誤差を超えています
    .no_more = 最良のルールとの差は誤差の範囲です
verdict-published = { $what }は同じ基準日の中で解約顧客を見分け（{ $ranked }）、すべてのルールを上回ります（{ $by }）。最良のルールは{ $rule }：{ $gain }。
verdict-instead = { $reason }モデルの代わりに公開します：対数損失は基準日内で{ $within }、提示値で{ $told }（モデルは{ $model_within }と{ $model_told }）。
verdict-nothing = 学習したもののうち、同じ基準日の中で誤差以上に解約顧客を見分けるものはありません：基準日の解約率に対して{ $gain }、{ $ranked }。
verdict-refused =
    .worse = モデルは基準日内で{ $rule }を下回ります：{ $gain }。
    .no_better = モデルは基準日内で{ $rule }を上回りません：{ $gain }。
verdict-gain = 対数損失の改善{ SIGNED($gain) }（95%信頼区間{ SIGNED($low) }〜{ SIGNED($high) }）
    .unknown = 対数損失の改善は計算できません
    .alone = 対数損失の改善{ SIGNED($gain) }（顧客数が少なく区間は出せません）
verdict-ranked = 同じ基準日のペアの一致率{ $value }（{ $low }〜{ $high }、0.5は偶然）
    .unknown = 両方の結果がそろう基準日がありません
    .alone = 同じ基準日のペアの一致率{ $value }
verdict-leak = { $leak }このままのデータでは：{ $reason }
warning-failed_model = 基準に達しなかったモデル
warning-expected_loss = 期待損失
warning-expected_gain = 期待増収
warning-rules = モデルではなくルールを使っています：{ $target }確率、{ $expected }、順位は{ $by }、ヘルスはその指標によります。{ $reason }
warning-target = モデルは解約ではなく{ $target }を予測するため、ヘルススコアはルールだけで作られています。
note-fold_shortened = { $fold }の学習は{ $asked }ではなく{ $until }までです：それより後のラベルは{ $tested }の時点で未確定でした。
note-horizon_rule = 予測期間{ $days }日ではルールを使います：{ $reason }
kind-configured = model.kindが{ $kind }
kind-few = { $many }{ $churners }件・特徴量{ $features }個は木には少なすぎるため、ロジスティック回帰のほうが汎化します
kind-blend = { $many }{ $churners }件・特徴量{ $features }個：木とロジスティック回帰の平均。{ $judged_on }で評価し、回帰の重みは{ $weight }
kind-judged_on =
    .later_dates = 後の日付
    .other_accounts = 別の顧客
kind-regression_better = バックテストでは回帰だけのほうがモデルより良い予測でした
kind-one_share = { $low }
kind-shares = { $low }〜{ $high }
kind-in_folds = { $reason }。バックテストの各フォールドでは{ $span }
tuning-no_trees = 木を使わないため調整していません：{ $reason }。
tuning-too_short = 調整していません：最も古い学習部分が評価には短すぎます。
tuning-trials = { $tried }回の試行
tuning-none_lower = 既定値のままです：{ tuning-trials }の中に対数損失がより小さいものはありませんでした。
tuning-better = 試行{ $trial }は既定値を誤差以上に上回ります：対数損失の改善{ SIGNED($gain) }（{ tuning-trials }の最良に対する95%信頼区間{ SIGNED($low) }〜{ SIGNED($high) }）。
tuning-noise = 既定値のままです：試行{ $trial }との差は誤差の範囲です。対数損失の改善{ SIGNED($gain) }（{ tuning-trials }の最良に対する95%信頼区間{ SIGNED($low) }〜{ SIGNED($high) }）。
decay-none = 最初のフォールドのモデルは、{ $months }か月後まで新しいモデルに誤差以上に劣りません。
decay-from = 学習から{ $months }か月で、古いモデルは新しいモデルに誤差以上に劣ります。

## Whether a new model takes the champion's place

gate-first = 最初のモデルです。
gate-broken = 現行モデルのファイルが使えなくなりました。
gate-same = 現行モデルと同じです：変更はありません。
gate-label = ラベルが変わりました：現行モデルは別の問いに答えています。
gate-only_challenger = 候補はベースラインを上回り、現行モデルは上回りませんでした。
gate-only_champion = 候補はベースラインを上回らず、現行モデルは上回っています。
gate-judged_again = 現行モデルを未学習の{ $rows }行で評価し直したところ、もう公開できません：{ $reason }
gate-nothing_fair = 現行モデルの学習より新しい確定ラベルのスナップショットがなく、公平に比較できません。
gate-one_outcome = 最新の確定ラベルに片方の結果しかないため、比較できません。
gate-too_few = 最新の確定ラベルで解約した顧客が少なすぎ、比較できません。
gate-gain = 最新期間の{ $rows }行で対数損失の改善{ SIGNED($gain) }（95%信頼区間{ SIGNED($low) }〜{ SIGNED($high) }）
gate-better = 候補は誤差以上に優れています：{ gate-gain }。
gate-fresher = 候補はより新しいデータを知り、劣っても{ $margin }以内です：{ gate-gain }。
gate-may_be_worse = 候補は{ $margin }を超えて劣る可能性があります：{ gate-gain }。
gate-no_better = 候補は誤差以上には優れていません：{ gate-gain }。

## 生存曲線の関門
survival-curve =
    .hazard = 特徴量による曲線
    .kaplan_meier = プラン別カプラン・マイヤー
    .beta_geometric = シフトベータ幾何モデル
    .recency = 最終利用からの日数別カプラン・マイヤー
    .cox = コックス回帰
survival-near =
    .untold = ラベルの{ $days }日間は比較できません（最新の日付に片方の結果しかありません）。
    .not_worse = { $days }日以内については、その期間のモデルに劣りません（AUC { $auc }対{ $other_auc }、対数損失{ $loss }対{ $other_loss }、{ $rows }行、解約{ $lost }）。確率は引き続きその期間のモデルが示します。
    .worse = { $days }日以内については、その期間のモデルの方が優れています（AUC { $other_auc }対{ $auc }、対数損失{ $other_loss }対{ $loss }、{ $rows }行、解約{ $lost }）。確率は引き続きそのモデルが示します。
survival-gate =
    .serves = 生存曲線を更新の見通しに使います。12か月の積分ブライアスコアは{ $own }、特徴量を使わない最良の曲線（{ $rival }）は{ $best }です（{ $accounts }社、解約{ $lost }社）。{ $near }
    .serves_silence = 生存曲線を表示します。12か月の積分ブライアスコアは{ $own }、モデルを使わない最良の曲線（{ $rival }）は{ $best }です（{ $accounts }社、利用停止{ $lost }社）。{ $near }
    .refused = 生存曲線は表示しません。12か月では{ $rival }が同等以上です。積分ブライアスコアは{ $best }、生存曲線は{ $own }です（{ $accounts }社、解約{ $lost }社）。{ $near }
survival-left_out =
    .off = 生存曲線はありません。survival.enabledがfalseです。
    .target = 生存曲線はありません。曲線は解約についてのもので、モデルの予測対象は{ $target }です。
    .long_silence = 生存曲線はありません。{ $days }日の利用停止は{ $months }か月で検証するには長すぎます。
    .no_ends = 生存曲線はありません。行の{ $share }に契約終了日がなく、更新について何も言えません。
    .short_terms = 生存曲線はありません。契約期間が{ $days }日を超えるのは{ $accounts }社で、それ以外の次の更新判断はその期間のモデルが見ています。
    .history = 生存曲線はありません。その後がすべて判明している{ $months }か月前のスナップショットがなく、検証できません。
    .few_lost = 生存曲線はありません。{ $months }か月前の最新の日付より前に解約したのは{ $before }社、その後の期間は{ $after }社で、学習と検証にはそれぞれ{ $least }社が必要です。
    .failed = 生存曲線はありません。{ $why }

## The leakage audit

audit-CHK101 = 一つの特徴量だけで解約顧客を不自然によく見分ける
    .remedy = その列がいつ書かれるかを確認し、結果の後なら除外してください。
audit-CHK102 = as_of以降を切り落とすと特徴量が変わる
    .remedy = 特徴量が未来を見ています：known_atで絞ってください。
audit-CHK103 = 解約した顧客だけで列が埋まっている、または空である
    .remedy = 顧客が離れるときに書かれる列です：除外してください。
audit-CHK104 = 列の値が結果をほぼ決めている（結果の後に書かれた状態）
    .remedy = as_of時点で分かっていた値を使うか、列を除外してください。
audit-CHK105 = 同じ行が分割の両側にある
    .remedy = 複製された顧客や、変化しない特徴量がないか確認してください。
audit-CHK106 = 学習のラベルがテスト期間に入り込んでいる
    .remedy = 少なくともその日数だけ間を空けてください。
audit-CHK107 = テスト期間の解約率が学習期間と異なる
    .remedy = ラベルの最後の期間を確認し、変化が本物なら最近の日付で学習してください。
audit-CHK108 = 解約率がスナップショット間で急変している
    .remedy = その日付の前後でデータがそろっているか確認してください。
audit-CHK109 = ある日付より前に解約がない：失った顧客が初期のデータに欠けている
    .remedy = snapshots.first: { $on } から始めるか、それ以前に失った顧客も出力してください。
audit-CHK110 = 履歴のない顧客属性が離れた顧客と一致する、または今日までの合計である
    .remedy = tables.accounts.columns.known_atを対応付けるか、属性を除外してください。
audit-CHK111 = 列がずっと前から誰が離れるかを示している：離脱後に過去全体へ書かれた
    .remedy = as_of時点の値（known_at）を使うか、列を除外してください。
audit-CHK112 = 離脱そのものを示す事実：離れた顧客だけの語、または最後の数日に現れる種類
    .remedy = いつ書かれるかを確認し、遅い場合は対応付けから外してください。
audit-CHK113 = 学習時と利用時で特徴量の欠け方が異なる
    .remedy = 片側だけで列が埋まる理由を確認し、そろえられなければ除外してください。
audit-clear = 該当なし
audit-found = { $what }：{ $details }
audit-found_more = { $found }ほか{ $more }件
audit-detail = { $where }（{ $detail }）
audit-coded = { $code } { $what }
audit-note = { $code } { $what }。{ $remedy }
audit-leak = 監査でリークが見つかったため、モデルは採用されません：{ $found }。列を直すか除外してください。分かったうえで採用する場合は --force --reason を付けて学習してください。
audit-filled = 値あり
audit-empty = 空
audit-rows = { $value }：{ $n }行、うち解約{ $churned }行
audit-auc = 単独でAUC { $auc }
audit-at_scoring = 学習時{ $trained }、スコア時{ $now }
audit-hindsight = { $n }件の顧客は{ $on }時点では後からしか分かりません
    .remedy = 対象に含める事実のknown_atを確認してください。
audit-differs = { $on }時点の{ $of }件中{ $n }件
audit-copied = テスト行の{ $share }が学習にもあります
audit-between = 間は{ $days }日、猶予・予測期間・確定待ちには{ $needed }日必要です
audit-rates = 学習{ $before }、テスト{ $after }
audit-jump = { $before }から{ $after }
audit-survivors = { $what }：{ $on }より前の{ $n }回に解約がありません（約{ $expected }件が見込まれます）
audit-total = 今日までの{ $what }と一致（順位相関{ $agreed }）
audit-count = { $table }の全行数
audit-sum = { $table }の{ $column }の合計
audit-stayed = 顧客であった日数
audit-split = { $value }：{ $accounts }件中{ $left }件が後に離れ、それ以外は{ $others }件中{ $others_left }件
audit-order = 順序だけで最後に離れる顧客が分かります（AUC { $auc }）
audit-leavers_word = 「{ $word }」は{ $n }件、うち{ $left }件が離れました
audit-last_days = 離れた顧客の{ $latest }で最後の{ $days }日に、それ以前の同じ日数では{ $usual }に現れます
audit-last_days_of = 「{ $word }」が{ $last }
audit-off-no_label = 確定ラベルの行がありません
audit-off-few_scored = スコア対象の行が{ $n }未満です
audit-off-one_outcome = 片方の結果の行が{ $n }未満です
audit-off-no_recompute = ここでは特徴量を計算し直せません
audit-off-no_splits = 分割がありません
audit-off-few_columns = 測定値の列が五つ未満です
audit-off-no_attributes = 顧客属性がありません
audit-off-history = 顧客に履歴（known_at）があります
audit-off-other_target = 目的が解約ではなく、顧客は離れません
audit-off-no_departures = ここでは離脱に日付のある事実がありません
audit-off-few_snapshots = 確定ラベルのスナップショットが三つ未満です
audit-off-few_snapshots_or_churners = 確定ラベルのスナップショットが三つ未満か、解約がありません
audit-status =
    .found = 該当
    .clear = 問題なし
    .not_applicable = 対象外
audit-heading = リーク監査
audit-column =
    .check = 検査
    .looks_for = 内容
    .status = 状態
    .found = 結果
    .where = 場所
    .remedy = 対処

models-version = 版
models-made = 作成
models-verdict = 判定
models-champion = 使用中
models-forced = 強制
models-side_by_side = それぞれ自身のバックテストで
models-no_rows = 共通するバックテストの行がないため、対応のある差はありません。
models-promoted = { $version }が使用中になりました（以前：{ $before }）。
models-none = なし
models-metric =
    .roc_auc = ROC AUC
    .average_precision = PR AUC
    .log_loss = 対数損失
    .brier = ブライア
    .ece = 較正誤差
    .lift_at_10 = 上位10%のリフト

## 端末でのスコア

scored-heading = { $by }の大きい{ $n }社、{ $on }時点
scored-expected_loss = 期待損失（確率 × ARR{ $share }）
scored-expected_gain = 期待増収（確率 × ARR{ $share }）
scored-chance = { $target }確率
scored-account = 顧客
scored-health = ヘルス
scored-band = 帯
scored-reasons = 主な理由
scored-in_band = { $band }{ $n }
scored-bands = { $n }社：{ $bands }
scored-where = 保存先
scored-scores = スコア
scored-explanations = 説明
scored-bundle = モデル
scored-experiments = 実験
scored-next = 次に：

## 端末での赤のしきい値

thresholds-calls = { $as_of }時点で帯のある顧客は{ $accounts }社。チームが連絡できるのは{ $calls }社です（{ $csms }人 × 週{ $each }件 × { $weeks }週間）。
thresholds-share = { $as_of }時点で帯のある顧客は{ $accounts }社。チームが連絡できるのは{ $calls }社です（capacity.share { $share }）。
thresholds-now = { $edge }未満を赤とすると、赤は{ $red }社です。
thresholds-proposed = { $edge }未満を赤とすれば、赤は{ $red }社になります。
thresholds-every_one = 緑は{ $green }からです。チームは緑未満のすべての顧客に連絡できます。
thresholds-to_use = 使うには、設定に { $setting } と書いて学習し直してください。

## churnml explain

explained-head = { $target }確率{ $chance }、ヘルススコア{ $health }
explained-raising = { $target }確率の上昇と関連
explained-lowering = { $target }確率の低下と関連
